"""What a follower of one job is told: how it stands, and the points after his cursor, as server-sent events."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from fastapi.sse import format_sse_event
from pydantic import BaseModel

from api.cursor import END, Cursor
from api.curves import HeldOutSeries, RunSeries
from api.jobs import JobStatus, Progress
from store import changes
from store.changes import Mark
from store.database import Database
from store.models import Job
from store.runs import Columns
from store.status import FINAL, Status
from store.tails import Tail, read_tails

MOST_ROWS = 5_000  # of one look, so that no event is larger than some 300 KB
RETRY_MS = 1_000  # after which a browser connects again


class ProgressChange(BaseModel):
    """How far a job is."""

    id: str
    progress: Progress | None


class ResultTold(BaseModel):
    """What came of a job that succeeded."""

    id: str
    kind: str
    outcome: str | None
    result: dict[str, Any] | None


class RunName(BaseModel):
    """Which run."""

    sweep: int
    seed: int


class Reset(BaseModel):
    """The rows of this run from this step on are void; they come again."""

    run: RunName
    from_step: int


class End(BaseModel):
    """The job is final, and everything was told."""

    id: str
    status: Status


@dataclass(frozen=True, slots=True)
class Place:
    """Where a follower is. mark: how the job stood when he looked. read: runs of which nothing more will come."""

    cursor: Cursor
    mark: Mark | None = None
    read: frozenset[tuple[int, int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Look:
    """What is new, and where the follower is then. more: look again at once; ended: it was the last look."""

    events: list[bytes]
    place: Place
    more: bool = False
    ended: bool = False


def look(database: Database, job_id: str, place: Place) -> Look:
    """Read what is new for a follower; a job that is gone has ended."""
    with database.read() as session:
        job = session.get(Job, job_id)
        if job is None:
            return Look([], place, ended=True)
        tails, more = read_tails(session, job_id, place.cursor.positions, read=place.read, max_rows=MOST_ROWS)
    cursor = replace(place.cursor, version=job.version)
    events = [write(name, told, str(cursor)) for name, told in tell_change(job, place.mark)]
    read = set(place.read)
    for tail in tails:
        run = (tail.run.sweep, tail.run.seed)
        cursor = replace(cursor, positions=cursor.positions | {run: tail.position})
        events += [write(name, told, str(cursor)) for name, told in _tell_tail(tail)]
        if tail.run.finished_at is not None and not more:
            read.add((*run, tail.position.cuts))
    ended = job.status in FINAL and not more
    if ended:
        events += [write("result", told, str(cursor)) for told in tell_result(job)]
        events.append(write("end", End(id=job.id, status=Status(job.status)), END))
    return Look(events, Place(cursor, changes.mark_of(job), frozenset(read)), more, ended)


def write(name: str, told: BaseModel, cursor: str) -> bytes:
    """One event; numbers that are not finite are null."""
    return format_sse_event(event=name, data_str=told.model_dump_json(), id=cursor)


def tell_change(job: Job, known: Mark | None) -> list[tuple[str, BaseModel]]:
    """How the job stands, or how far it is, for who knows how it stood."""
    if known is None or known.version != job.version:
        return [("status", JobStatus.of(job)), *(tell_progress(job) if job.progress else [])]
    return tell_progress(job) if known != changes.mark_of(job) else []


def tell_progress(job: Job) -> list[tuple[str, BaseModel]]:
    """How far the job is."""
    return [("progress", ProgressChange(id=job.id, progress=JobStatus.of(job).progress))]


def tell_result(job: Job) -> list[BaseModel]:
    """What came of it, where something did."""
    if job.status != Status.SUCCEEDED:
        return []
    return [ResultTold(id=job.id, kind=job.kind, outcome=job.outcome, result=job.result)]


def _tell_tail(tail: Tail) -> list[tuple[str, BaseModel]]:
    run, train, held_out = tail.run, tail.series["train"], tail.series["held_out"]
    told: list[tuple[str, BaseModel]] = []
    if tail.cut_from is not None:
        told.append(("reset", Reset(run=RunName(sweep=run.sweep, seed=run.seed), from_step=tail.cut_from)))
    if train.num_rows or held_out.num_rows:
        looks = HeldOutSeries.model_construct(**_show(held_out))
        points = RunSeries.model_construct(
            seed=run.seed,
            sweep=run.sweep,
            phase=run.plan["phase"],
            shape=run.plan["shape"],
            label=run.plan.get("label"),
            finished=run.finished_at is not None,
            held_out=looks,
            **_show(train),
        )
        told.append(("points", points))
    return told


def _show(columns: Columns) -> dict[str, Any]:
    shown: dict[str, Any] = {name: columns[name].tolist() for name in columns}
    steps = columns["step"].astype(int)
    broken = steps[~np.isfinite(columns["loss"])][:1].tolist()
    return shown | {"step": steps.tolist(), "non_finite_from": broken[0] if broken else None}
