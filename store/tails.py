"""What was measured since somebody looked last: the rows of each run after his position, a bounded number at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store.models import CurveChunk, Run
from store.runs import COLUMNS, Columns, Floats

CHUNKS_AT_ONCE = 4  # read ahead; one may hold all that was measured in half a second


@dataclass(frozen=True, slots=True)
class Position:
    """How far a reader is in a run: the cuts that he knows of, and the next step of each series."""

    cuts: int = 0
    train: int = 0
    held_out: int = 0


@dataclass(frozen=True, slots=True)
class Tail:
    """What a run has after a position. cut_from: of the rows before it, those from this step on are gone.

    position: after these rows.
    """

    run: Run
    cut_from: int | None
    series: dict[str, Columns]
    position: Position


def read_tails(
    session: Session,
    job_id: str,
    positions: Mapping[tuple[int, int], Position],
    *,
    read: Collection[tuple[int, int, int]],
    max_rows: int,
) -> tuple[list[Tail], bool]:
    """The tails of the runs that have one, by (sweep, seed), of at most `max_rows` rows; whether there may be more.

    read: (sweep, seed, cuts) of runs that are known to be finished and read.
    """
    tails, left = [], max_rows
    for run in session.scalars(select(Run).where(Run.job_id == job_id).order_by(Run.sweep, Run.seed)):
        if (run.sweep, run.seed, len(run.cuts)) in read:
            continue
        known = positions.get((run.sweep, run.seed))
        position, cut_from = _go_back(run, known) if known else (Position(len(run.cuts)), None)
        of_run = {"job_id": job_id, "sweep": run.sweep, "seed": run.seed}
        series = {}
        for name in COLUMNS:
            columns = _read(session, of_run | {"series": name}, getattr(position, name), left)
            left -= columns.num_rows
            series[name] = columns
            if columns.num_rows:
                position = replace(position, **{name: int(columns.pieces[-1][0, -1]) + 1})
        tails.append(Tail(run, cut_from, series, position))
        if not left:
            break
    return tails, not left


def _go_back(run: Run, known: Position) -> tuple[Position, int | None]:
    """The position as it is after the cuts that the reader does not know of, and where the lowest of them was."""
    new = run.cuts[known.cuts :]
    if known.cuts > len(run.cuts):  # of another database
        new = [0]
    lowest = min(new, default=None)
    if lowest is None or lowest >= max(known.train, known.held_out):
        return replace(known, cuts=len(run.cuts)), None
    return Position(len(run.cuts), min(known.train, lowest), min(known.held_out, lowest)), lowest


def _read(session: Session, of_series: dict[str, Any], from_step: int, max_rows: int) -> Columns:
    names = COLUMNS[of_series["series"]]
    begun = select(func.max(CurveChunk.first_step)).filter_by(**of_series)
    first = func.coalesce(begun.where(CurveChunk.first_step <= from_step).scalar_subquery(), 0)
    chunks = session.scalars(
        select(CurveChunk.data)
        .filter_by(**of_series)
        .where(CurveChunk.first_step >= first)
        .order_by(CurveChunk.first_step),
        execution_options={"yield_per": CHUNKS_AT_ONCE, "binary": True},
    )
    pieces: list[Floats] = []
    for data in chunks:
        if max_rows <= 0:
            break
        columns = np.frombuffer(data, dtype="<f8").reshape(len(names), -1)
        pieces.append(columns[:, columns[0] >= from_step][:, :max_rows])
        max_rows -= pieces[-1].shape[1]
    chunks.close()
    return Columns(names, pieces)
