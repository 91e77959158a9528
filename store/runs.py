"""Curves as measured: written in batches by the claim that holds the job, read back run by run.

A series is a table of float64 columns. `train` has step, lr and loss; `held_out` has step, lr,
loss and accuracy (NaN where there is none). Non-finite values are stored as they came.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from store.batches import BYTES, ROWS
from store.database import now
from store.models import CurveChunk, Job, Run
from store.status import Kind, Status

Floats = npt.NDArray[np.float64]
Key = tuple[int, int, str]  # sweep, seed, series
Keep = Callable[[Key, Iterator[Floats]], Sequence[Floats]]

COLUMNS = {"train": ("step", "lr", "loss"), "held_out": ("step", "lr", "loss", "accuracy")}
CHUNKS_AT_ONCE = 128  # that a driver reads ahead, in whatever form the database sends them


class Columns(Mapping[str, Floats]):
    """The columns of a series by name, each (num_rows,), in pieces as they were stored; joined when one is asked for.

    A million rows are held once, and not again for each that only looks through them.
    """

    def __init__(self, names: Sequence[str], pieces: Sequence[Floats]) -> None:
        """pieces: each (len(names), some rows), in step order."""
        self._names = tuple(names)
        self.pieces = [piece for piece in pieces if piece.shape[1]]

    def __getitem__(self, name: str) -> Floats:
        index = self._names.index(name)
        return np.concatenate([np.empty(0), *(piece[index] for piece in self.pieces)])

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @property
    def num_rows(self) -> int:
        """How many rows there are."""
        return sum(piece.shape[1] for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run, one seed of a sweep or a training; `series` maps a name of `COLUMNS` to its columns."""

    sweep: int
    seed: int
    plan: dict[str, Any]
    finished: bool
    series: dict[str, Columns] = field(default_factory=dict)


def begin_run(
    session: Session, job_id: str, *, sweep: int, seed: int, plan: dict[str, Any], after_step: int = -1
) -> None:
    """Make room for a run; of what a lost attempt left of it, the writes that begin after `after_step` go."""
    cuts = drop(session, job_id, sweep=sweep, seed=seed, after_step=after_step)
    session.add(Run(job_id=job_id, sweep=sweep, seed=seed, plan=plan, cuts=cuts))


def drop(session: Session, job_id: str, *, sweep: int, seed: int, after_step: int = -1) -> list[int]:
    """Drop a run and its writes that begin after this step; the `cuts` that it had, with this one."""
    of_run = {"job_id": job_id, "sweep": sweep, "seed": seed}
    cuts = session.scalar(select(Run.cuts).filter_by(**of_run)) or []
    session.execute(delete(Run).filter_by(**of_run))
    dropped = _drop_chunks(session, of_run, after_step)
    return [*cuts, after_step + 1] if dropped else cuts


def drop_some(session: Session, job_id: str, *, sweep: int, seed: int, after_step: int = -1) -> bool:
    """Drop the last of a run's writes that begin after this step, as many as one transaction may (store/batches.py).

    Whether there were any. What is left ends at one step in every series, and `cuts` has it.
    """
    of_run = {"job_id": job_id, "sweep": sweep, "seed": seed}
    late = select(CurveChunk).filter_by(**of_run).where(CurveChunk.first_step > after_step)
    sizes = late.with_only_columns(CurveChunk.first_step, func.length(CurveChunk.data))
    first, size = None, 0
    for step, length in session.execute(sizes.order_by(CurveChunk.first_step.desc()).limit(ROWS)):
        first, size = step, size + length
        if size >= BYTES:
            break
    if first is None:
        return False
    _drop_chunks(session, of_run, first - 1)
    run = session.get(Run, (job_id, sweep, seed))
    if run is not None:
        run.cuts = [*run.cuts, first]
    return True


def _drop_chunks(session: Session, of_run: dict[str, Any], after_step: int) -> bool:
    late = delete(CurveChunk).filter_by(**of_run).where(CurveChunk.first_step > after_step)
    return bool(session.execute(late.returning(CurveChunk.first_step)).all())


def get_plan(session: Session, job_id: str, *, sweep: int, seed: int) -> dict[str, Any]:
    """The plan of a run that was begun."""
    plan: dict[str, Any] = session.scalars(
        select(Run.plan).filter_by(job_id=job_id, sweep=sweep, seed=seed)
    ).one()
    return plan


def finish_run(session: Session, job_id: str, *, sweep: int, seed: int) -> None:
    """Mark a run as measured to its end: a later attempt keeps it."""
    session.execute(
        update(Run)
        .where(Run.job_id == job_id, Run.sweep == sweep, Run.seed == seed)
        .values(finished_at=now())
    )


def append(
    session: Session, job_id: str, *, sweep: int, seed: int, series: str, rows: Sequence[Sequence[float]]
) -> None:
    """Add rows to a series; each row has one value per column of `COLUMNS[series]`, in step order.

    What is stored from the first row's step on is replaced: a write whose commit was not heard of may come again.
    """
    columns = np.asarray(rows, dtype="<f8").T
    of_series = {"job_id": job_id, "sweep": sweep, "seed": seed, "series": series}
    first_step = int(columns[0, 0])
    session.execute(delete(CurveChunk).filter_by(**of_series).where(CurveChunk.first_step >= first_step))
    session.add(CurveChunk(**of_series, first_step=first_step, data=columns.tobytes()))


def cut(session: Session, job_id: str, *, sweep: int, seed: int, after_step: int) -> None:
    """Drop a run's rows of later steps than this."""
    of_run = {"job_id": job_id, "sweep": sweep, "seed": seed}
    _drop_chunks(session, of_run, after_step)
    for series, names in COLUMNS.items():
        chunks = select(CurveChunk).filter_by(**of_run, series=series)
        last = session.scalar(chunks.order_by(CurveChunk.first_step.desc()).limit(1))
        if last is not None:
            columns = np.frombuffer(last.data, dtype="<f8").reshape(len(names), -1)
            last.data = columns[:, columns[0] <= after_step].tobytes()
    run = session.get_one(Run, (job_id, sweep, seed))
    run.cuts = [*run.cuts, after_step + 1]


def load_series(
    session: Session, job_id: str, *, sweep: int, seed: int, series: str, from_step: int = 0
) -> Columns:
    """A series of one run from the chunk on that holds `from_step`, or from the last one if all are earlier."""
    of_series = {"job_id": job_id, "sweep": sweep, "seed": seed, "series": series}
    return Columns(COLUMNS[series], list(_read_chunks(session, of_series, from_step)))


def read_series(
    session: Session, job_id: str, *, sweep: int, seed: int, series: str, from_step: int = 0
) -> Iterator[Floats]:
    """A series of one run from a step on, chunk by chunk: each (columns, some rows), never all at once."""
    of_series = {"job_id": job_id, "sweep": sweep, "seed": seed, "series": series}
    for chunk in _read_chunks(session, of_series, from_step):
        rows = chunk if chunk.shape[1] and chunk[0, 0] >= from_step else chunk[:, chunk[0] >= from_step]
        if rows.shape[1]:
            yield rows


def _read_chunks(session: Session, of_series: dict[str, Any], from_step: int) -> Iterator[Floats]:
    """The chunks from the one on that holds the step, or from the last one if all are earlier."""
    begun = select(func.max(CurveChunk.first_step)).filter_by(**of_series)
    first = session.scalar(begun.where(CurveChunk.first_step <= from_step)) or 0
    query = (
        select(CurveChunk.data)
        .filter_by(**of_series)
        .where(CurveChunk.first_step >= first)
        .order_by(CurveChunk.first_step)
    )
    options = {"yield_per": CHUNKS_AT_ONCE, "binary": True}
    with session.execute(query, execution_options=options) as chunks:  # a reader may stop before the end
        for (data,) in chunks:
            yield np.frombuffer(data, dtype="<f8").reshape(len(COLUMNS[of_series["series"]]), -1)


def load(
    session: Session, job_id: str, *, series: Collection[str] = tuple(COLUMNS), keep: Keep | None = None
) -> list[StoredRun]:
    """Every run of a job, ordered by (sweep, seed), with its stored rows.

    series: those that are wanted. keep: of each, what is kept of its chunks as they come; all where there is none.
    """
    of_run = (Run.sweep, Run.seed)
    rows = session.scalars(select(Run).where(Run.job_id == job_id).order_by(*of_run)).all()
    key = (CurveChunk.sweep, CurveChunk.seed, CurveChunk.series)
    query = (
        select(*key, CurveChunk.data)
        .where(CurveChunk.job_id == job_id, CurveChunk.series.in_(series))
        .order_by(*key, CurveChunk.first_step)  # as the primary key has it: nothing is sorted
    )
    options = {"yield_per": CHUNKS_AT_ONCE, "binary": True}
    pieces: dict[Key, Sequence[Floats]] = {}
    with session.execute(query, execution_options=options) as chunks:
        for of_series, group in groupby(chunks, key=lambda chunk: (chunk[0], chunk[1], chunk[2])):
            coming = (
                np.frombuffer(data, dtype="<f8").reshape(len(COLUMNS[name]), -1) for *_, name, data in group
            )
            pieces[of_series] = list(coming) if keep is None else keep(of_series, coming)
    return [
        StoredRun(
            sweep=row.sweep,
            seed=row.seed,
            plan=row.plan,
            finished=row.finished_at is not None,
            series={
                name: Columns(COLUMNS[name], pieces.get((row.sweep, row.seed, name), ())) for name in series
            },
        )
        for row in rows
    ]


def count_rows(session: Session, job_id: str) -> dict[Key, int]:
    """How many rows there are of each series that has any; none of them is read."""
    key = (CurveChunk.sweep, CurveChunk.seed, CurveChunk.series)
    sizes = (
        select(*key, func.sum(func.length(CurveChunk.data))).where(CurveChunk.job_id == job_id).group_by(*key)
    )
    return {
        (sweep, seed, name): int(size) // (np.dtype("<f8").itemsize * len(COLUMNS[name]))
        for sweep, seed, name, size in session.execute(sizes)
    }


def load_looks(session: Session, comparison_id: str) -> dict[str, dict[str, Floats]]:
    """The held-out columns of every training job of a comparison that succeeded, by job; `NO_LOOKS` is that of none."""
    chunks = session.execute(
        select(CurveChunk.job_id, CurveChunk.data)
        .join(Job, Job.id == CurveChunk.job_id)
        .where(
            Job.comparison_id == comparison_id, Job.kind == Kind.TRAINING_JOB, Job.status == Status.SUCCEEDED
        )
        .where(CurveChunk.series == "held_out")
        .order_by(CurveChunk.job_id, CurveChunk.first_step)
    )
    pieces: dict[str, list[Floats]] = defaultdict(list)
    for job_id, data in chunks:
        pieces[job_id].append(np.frombuffer(data, dtype="<f8").reshape(len(COLUMNS["held_out"]), -1))
    return {job_id: dict(Columns(COLUMNS["held_out"], parts)) for job_id, parts in pieces.items()}


NO_LOOKS = dict(Columns(COLUMNS["held_out"], []))
