"""How the queue stands now, in numbers."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store.database import now
from store.models import Job, Worker
from store.status import Kind, Status


@dataclass(frozen=True, slots=True)
class Gauges:
    """jobs: how many there are, by status. oldest_queued_age_s: 0 where none is queued."""

    jobs: dict[str, int]
    oldest_queued_age_s: float
    workers: int


def read(session: Session, *, worker_seen_within_s: float) -> Gauges:
    """Look at the tables; costs a pass over an index of `jobs`."""
    by_status = select(Job.status, func.count()).where(Job.kind != Kind.SWEEP).group_by(Job.status)
    jobs = {status.value: 0 for status in Status} | {
        status: number for status, number in session.execute(by_status)
    }
    age = select(now() - func.min(Job.created_at)).where(Job.status == Status.QUEUED, Job.kind != Kind.SWEEP)
    living = select(func.count()).select_from(Worker).where(Worker.seen_at > now() - worker_seen_within_s)
    return Gauges(jobs, session.scalar(age) or 0.0, session.scalar(living) or 0)
