"""What changed: of jobs that somebody waits for, and of all. Asked five times a second, so no row is read whole."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from store.database import now
from store.models import OPEN_OF_CLIENTS, Job
from store.status import ASKED

AT_ONCE = 500  # ids in one query


@dataclass(frozen=True, slots=True)
class Mark:
    """How a job stands, to be compared with how it stood; whatever is measured moves `progressed_at` with it."""

    version: int
    status: str
    progressed_at: float | None


_MARK = (Job.id, Job.version, Job.status, Job.progressed_at)


def mark_of(job: Job) -> Mark:
    """That of a row."""
    return Mark(job.version, job.status, job.progressed_at)


def clock(session: Session) -> float:
    """The database's time, unix seconds."""
    return session.scalar(select(now())) or 0.0


def marks_of(session: Session, job_ids: Sequence[str]) -> dict[str, Mark]:
    """The marks of these jobs; one that is gone has none."""
    marks: dict[str, Mark] = {}
    for first in range(0, len(job_ids), AT_ONCE):
        found = session.execute(select(*_MARK).where(Job.id.in_(job_ids[first : first + AT_ONCE])))
        marks |= {row.id: Mark(row.version, row.status, row.progressed_at) for row in found}
    return marks


def marks_since(session: Session, time: float) -> dict[str, Mark]:
    """The marks of the jobs that somebody asked for and that changed or progressed since then."""
    running = or_(Job.lease_expires_at.is_not(None), OPEN_OF_CLIENTS)
    changed = select(*_MARK).where(Job.changed_at >= time)
    progressed = select(*_MARK).where(running, Job.progressed_at >= time)
    found = session.execute(changed.where(Job.kind.in_(ASKED)).union(progressed.where(Job.kind.in_(ASKED))))
    return {row.id: Mark(row.version, row.status, row.progressed_at) for row in found}


def jobs_of(session: Session, job_ids: Collection[str]) -> list[Job]:
    """The jobs of these ids that are there."""
    ids = sorted(job_ids)
    return [
        job
        for first in range(0, len(ids), AT_ONCE)
        for job in session.scalars(select(Job).where(Job.id.in_(ids[first : first + AT_ONCE])))
    ]


def jobs_since(session: Session, time: float, *, after: tuple[float, str] | None, limit: int) -> list[Job]:
    """At most `limit` jobs that somebody asked for and that changed since then, the earliest first.

    after: (changed_at, id) of the last of those before.
    """
    query = select(Job).where(Job.kind.in_(ASKED), Job.changed_at >= time)
    if after is not None:
        query = query.where(
            or_(Job.changed_at > after[0], (Job.changed_at == after[0]) & (Job.id > after[1]))
        )
    return list(session.scalars(query.order_by(Job.changed_at, Job.id).limit(limit)))
