"""How the queue stands now, in numbers."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store import counters
from store.database import now
from store.models import QUEUED, Job, Worker
from store.status import ASKED, Priority, Status


@dataclass(frozen=True, slots=True)
class Gauges:
    """jobs: how many there are, by status. oldest_queued_age_s: 0 where none is queued."""

    jobs: dict[str, int]
    oldest_queued_age_s: float
    workers: int


def read(session: Session, *, worker_seen_within_s: float) -> Gauges:
    """Look at the tables; costs a pass over the jobs that have not ended."""
    asked = QUEUED, Job.priority.in_(set(Priority) - {Priority.IDLE})  # as an index has it
    queued, age = session.execute(select(func.count(), now() - func.min(Job.created_at)).where(*asked)).one()
    # The kind is not in WHERE, where SQLite would take an index of kinds and read every job.
    asked_for = func.count().filter(Job.kind.in_(ASKED))
    held = select(Job.status, asked_for).where(Job.lease_expires_at.is_not(None)).group_by(Job.status)
    ended = counters.read(session)[counters.ENDED_JOBS]
    jobs = {status.value: int(ended.get(status, 0)) for status in Status}
    jobs |= {Status.QUEUED.value: queued} | {status: number for status, number in session.execute(held)}
    living = select(func.count()).select_from(Worker).where(Worker.seen_at > now() - worker_seen_within_s)
    return Gauges(jobs, age or 0.0, session.scalar(living) or 0)
