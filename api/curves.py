"""Curves as JSON columns or CSV rows; values that are not finite are null in JSON and spelled out in CSV."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from api.jobs import get
from api.resources import Resources
from store.models import Job
from store.runs import StoredRun, load
from store.status import Kind

Floats = npt.NDArray[np.float64]
Columns = dict[str, Floats]


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
        description="scout, test, or confirm: a training that puts the bounds to the test; or training"
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
    runs: list[RunSeries]


def find_with_runs(
    resources: Resources, job_id: str, *, kind: Kind, after_step: int = -1
) -> tuple[Job, list[StoredRun]]:
    """The job with what is stored of its runs, rows of step > `after_step`. Raises `NotFound`."""
    with resources.database.read() as session:
        return get(session, job_id, kind=kind), load(session, job_id, after_step=after_step)


def view_curve(stored: Iterable[StoredRun], *, complete: bool, max_points: int | None) -> Curve:
    """The JSON answer; each series has at most `max_points` rows, keeping its minima and maxima."""
    runs = [
        RunSeries(
            seed=run.seed,
            sweep=run.sweep,
            phase=run.plan["phase"],
            shape=run.plan["shape"],
            label=run.plan.get("label"),
            finished=run.finished,
            **_series(run.series["train"], max_points, may_be_null=("loss",)),
            held_out=HeldOutSeries(
                **_series(run.series["held_out"], max_points, may_be_null=("loss", "accuracy"))
            ),
        )
        for run in stored
    ]
    return Curve(complete=complete, runs=runs)


def _series(columns: Columns, max_points: int | None, *, may_be_null: Sequence[str]) -> dict[str, Any]:
    broken = columns["step"][~np.isfinite(columns["loss"])]
    thinned = downsample(columns, max_points)
    return {
        "step": thinned["step"].astype(int).tolist(),
        "lr": thinned["lr"].tolist(),
        **{name: _put_null(thinned[name]) for name in may_be_null},
        "non_finite_from": int(broken[0]) if broken.size else None,
    }


def _put_null(values: Floats) -> list[float | None]:
    return [
        value if finite else None for value, finite in zip(values.tolist(), np.isfinite(values), strict=True)
    ]


def downsample(columns: Columns, max_points: int | None) -> Columns:
    """At most `max_points` (>= 4) rows: the first, the last, and the lowest and highest finite loss of equal
    stretches between them."""
    loss = columns["loss"]
    if max_points is None or len(loss) <= max_points:
        return columns
    finite = np.isfinite(loss)
    low, high = np.where(finite, loss, np.inf), np.where(finite, loss, -np.inf)
    picks = [np.array([0, len(loss) - 1])]
    for first, stretches, length in _cut_stretches(len(loss), (max_points - 2) // 2):
        span = slice(first, first + stretches * length)
        begins = np.arange(span.start, span.stop, length)
        picks.append(begins + low[span].reshape(stretches, length).argmin(axis=1))
        picks.append(begins + high[span].reshape(stretches, length).argmax(axis=1))
    rows = np.unique(np.concatenate(picks))
    return {name: values[rows] for name, values in columns.items()}


def _cut_stretches(rows: int, stretches: int) -> Iterator[tuple[int, int, int]]:
    """(first row, how many stretches, their length): the rows cut so that lengths differ by one at most."""
    length, longer = divmod(rows, stretches)
    if longer:
        yield 0, longer, length + 1
    if length:
        yield longer * (length + 1), stretches - longer, length


def write_csv(runs: Iterable[StoredRun], *, max_points: int | None) -> str:
    """One row a measurement; `series` is train or held_out; nan and inf are spelled so."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["seed", "sweep", "series", "step", "lr", "loss", "accuracy"])
    for run in runs:
        for series, columns in run.series.items():
            thinned = {name: values.tolist() for name, values in downsample(columns, max_points).items()}
            accuracy = thinned.get("accuracy", [""] * len(thinned["step"]))
            for step, *values in zip(thinned["step"], thinned["lr"], thinned["loss"], accuracy, strict=True):
                writer.writerow([run.seed, run.sweep, series, int(step), *values])
    return text.getvalue()
