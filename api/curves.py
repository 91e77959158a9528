"""Curves as the API tells them: JSON columns or CSV rows; what is not finite is null in JSON and spelled out in CSV."""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from api.jobs import get
from store.database import Database
from store.models import Job
from store.runs import COLUMNS, Floats, StoredRun, load
from store.status import Driver, Kind

BLOCK = 8192  # rows that are thinned at once
LOSS = COLUMNS["train"].index("loss")  # as in `held_out`


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


def downsample(pieces: Iterable[Floats], num_rows: int, max_points: int | None) -> list[Floats]:
    """At most `max_points` (>= 4) rows: the first, the last, and the lowest and highest finite loss of equal
    stretches between them.

    pieces: each (columns as `COLUMNS` has them, some rows), in step order; num_rows: of them all. A few are held at
    once. Where there are fewer after all, the last ones are as they came.
    """
    if max_points is None or num_rows <= max_points:
        return list(pieces)
    taken: list[Floats] = []
    last = np.empty((0, 0))
    blocks = list(_cut_blocks(num_rows, (max_points - 2) // 2))
    for rows, (stretches, length) in zip(
        _regroup(pieces, [math.prod(block) for block in blocks]), blocks, strict=False
    ):
        if rows.shape[1] == stretches * length:
            picks = _pick_extremes(rows[LOSS].reshape(stretches, length))
            rows, last = rows[:, picks if taken else np.union1d(0, picks)], rows[:, -1:]
        taken.append(rows)
    if taken and last.size and taken[-1][0, -1] < last[0, 0]:
        taken.append(last)
    return taken


def _pick_extremes(losses: Floats) -> npt.NDArray[np.intp]:
    """losses: (stretches, length); where in them all lie the lowest and highest finite one of each, in order."""
    finite = np.isfinite(losses)
    begins = np.arange(0, losses.size, losses.shape[1])
    lowest = begins + np.where(finite, losses, np.inf).argmin(axis=1)
    return np.union1d(lowest, begins + np.where(finite, losses, -np.inf).argmax(axis=1))


def _cut_blocks(rows: int, stretches: int) -> Iterator[tuple[int, int]]:
    """(how many stretches, their length) of blocks of rows: lengths differ by one at most."""
    length, longer = divmod(rows, stretches)
    for number, each in ((longer, length + 1), (stretches - longer, length)):
        most = max(1, BLOCK // max(1, each))
        for first in range(0, number if each else 0, most):
            yield min(most, number - first), each


def _regroup(pieces: Iterable[Floats], sizes: Iterable[int]) -> Iterator[Floats]:
    """The same rows in pieces of these sizes, as far as there are any."""
    held: list[Floats] = []
    num_held = 0
    coming = iter(pieces)
    for size in sizes:
        while num_held < size and (piece := next(coming, None)) is not None:
            held.append(piece)
            num_held += piece.shape[1]
        if not num_held:
            return
        rows = np.concatenate(held, axis=1)
        yield rows[:, :size]
        held, num_held = [rows[:, size:]], max(0, num_held - size)
