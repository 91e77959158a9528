"""Curves as the API tells them: JSON columns or CSV rows; what is not finite is null in JSON and spelled out in CSV."""

from collections.abc import Iterator

import numpy as np
from pydantic import BaseModel, Field

from api.jobs import get
from store.database import Database
from store.models import Job
from store.runs import Columns, StoredRun, load
from store.status import Driver, Kind


class HeldOutSeries(BaseModel):
    """Looks at the held-out set, in step order."""

    step: list[int]
    lr: list[float]
    loss: list[float | None]
    accuracy: list[float | None]
    non_finite_from: int | None


class RunSeries(BaseModel):
    """One sweep of one seed: float64 columns of equal length, in step order.

    `non_finite_from`: the step at which the loss stopped being finite; such losses are null.
    """

    seed: int
    sweep: int
    phase: str = Field(
        description="scout, test, probe, or confirm: a training that puts the bounds to the test; or training"
    )
    shape: str
    label: str | None = Field(default=None, description="of the contender, in the phase confirm")
    finished: bool
    step: list[int]
    lr: list[float]
    loss: list[float | None]
    non_finite_from: int | None
    held_out: HeldOutSeries


class Curve(BaseModel):
    """Everything that was measured; `complete` once the job is final."""

    complete: bool
    measured_by: Driver
    runs: list[RunSeries]


def find_with_runs(database: Database, job_id: str, *, kind: Kind) -> tuple[Job, list[StoredRun]]:
    """The job with what is stored of its runs. Raises `NotFound`."""
    with database.read() as session:
        return get(session, job_id, kind=kind), load(session, job_id)


def downsample(columns: Columns, max_points: int | None) -> Columns:
    """At most `max_points` (>= 4) rows: the first, the last, and the lowest and highest finite loss of equal
    stretches between them."""
    num_rows = columns.num_rows
    if max_points is None or num_rows <= max_points:
        return columns
    loss = columns["loss"]
    picks = [np.array([0, num_rows - 1])]
    for first, stretches, length in _cut_stretches(num_rows, (max_points - 2) // 2):
        begins = np.arange(first, first + stretches * length, length)
        losses = loss[first : first + stretches * length].reshape(stretches, length)
        finite = np.isfinite(losses)
        picks.append(begins + np.where(finite, losses, np.inf).argmin(axis=1))
        picks.append(begins + np.where(finite, losses, -np.inf).argmax(axis=1))
    return columns.take(np.unique(np.concatenate(picks)))


def _cut_stretches(rows: int, stretches: int) -> Iterator[tuple[int, int, int]]:
    """(first row, how many stretches, their length): the rows cut so that lengths differ by one at most."""
    length, longer = divmod(rows, stretches)
    if longer:
        yield 0, longer, length + 1
    if length:
        yield longer * (length + 1), stretches - longer, length
