"""Curves as JSON columns or CSV rows; values that are not finite are null in JSON and spelled out in CSV."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from pydantic import BaseModel, Field, TypeAdapter

from api.jobs import get
from api.resources import Resources
from store.models import Job
from store.runs import Columns, Floats, StoredRun, load
from store.status import FINAL, Driver, Kind

PART = 2**18  # characters
INTEGERS, FLOATS = TypeAdapter(list[int]), TypeAdapter(list[float])


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


def find_with_runs(
    resources: Resources, job_id: str, *, kind: Kind, after_step: int = -1
) -> tuple[Job, list[StoredRun]]:
    """The job with what is stored of its runs, rows of step > `after_step`. Raises `NotFound`."""
    with resources.database.read() as session:
        return get(session, job_id, kind=kind), load(session, job_id, after_step=after_step)


def stream_json(job: Job, runs: Sequence[StoredRun], *, max_points: int | None) -> Iterator[str]:
    """A `Curve` as JSON, in parts; each series has at most `max_points` rows, keeping its minima and maxima."""
    curve = Curve(complete=job.status in FINAL, measured_by=Driver(job.driver), runs=[])
    return _gather(_write_json(curve, runs, max_points=max_points))


def stream_csv(runs: Sequence[StoredRun], *, max_points: int | None) -> Iterator[str]:
    """One row a measurement, in parts; `series` is train or held_out; nan and inf are spelled so."""
    return _gather(_write_csv(runs, max_points=max_points))


def _gather(texts: Iterable[str]) -> Iterator[str]:
    """The text in parts of some size, as each that is sent costs a switch of threads."""
    parts: list[str] = []
    size = 0
    for text in texts:
        parts.append(text)
        size += len(text)
        if size >= PART:
            yield "".join(parts)
            parts.clear()
            size = 0
    yield "".join(parts)


def _write_json(empty: Curve, runs: Sequence[StoredRun], *, max_points: int | None) -> Iterator[str]:
    before, after = empty.model_dump_json().rsplit("[]", 1)
    yield f"{before}["
    for number, run in enumerate(runs):
        yield "," if number else ""
        yield from _write_run(run, max_points)
    yield f"]{after}"


def _write_run(run: StoredRun, max_points: int | None) -> Iterator[str]:
    """A `RunSeries`, written around its columns, which come last in it."""
    train, held_out = run.series["train"], run.series["held_out"]
    looks = HeldOutSeries(step=[], lr=[], loss=[], accuracy=[], non_finite_from=_find_break(held_out))
    empty = RunSeries(
        seed=run.seed,
        sweep=run.sweep,
        phase=run.plan["phase"],
        shape=run.plan["shape"],
        label=run.plan.get("label"),
        finished=run.finished,
        step=[],
        lr=[],
        loss=[],
        non_finite_from=_find_break(train),
        held_out=looks,
    )
    thinned = [downsample(series, max_points) for series in (train, held_out)]
    columns = [(series, name) for series in thinned for name in series]
    *texts, end = empty.model_dump_json().rsplit("[]", len(columns))
    for text, (series, name) in zip(texts, columns, strict=True):
        yield f"{text}["
        for number, values in enumerate(series.split(name)):
            yield "," if number else ""
            yield _dump(name, values)
        yield "]"
    yield end


def _dump(name: str, values: Floats) -> str:
    """Some values of a column, separated by commas; null where one is not finite."""
    whole = (
        INTEGERS.dump_json(values.astype(int).tolist())
        if name == "step"
        else FLOATS.dump_json(values.tolist())
    )
    return whole[1:-1].decode()


def _find_break(columns: Columns) -> int | None:
    """The step at which the loss stopped being finite."""
    broken = np.flatnonzero(~np.isfinite(columns["loss"]))[:1]
    return int(columns.take(broken)["step"][0]) if broken.size else None


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


def _write_csv(runs: Sequence[StoredRun], *, max_points: int | None) -> Iterator[str]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["seed", "sweep", "series", "step", "lr", "loss", "accuracy"])
    for run in runs:
        for series, columns in run.series.items():
            for piece in downsample(columns, max_points).pieces:
                for step, *values in piece.T.tolist():
                    accuracy = [] if series == "held_out" else [""]
                    writer.writerow([run.seed, run.sweep, series, int(step), *values, *accuracy])
                yield text.getvalue()
                text.seek(0)
                text.truncate()
    yield text.getvalue()
