"""What a key may still ask for: jobs that queue, and steps a day."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store.callers import caller_of
from store.database import now
from store.errors import LimitReached
from store.models import Job
from store.status import Status

DAY_S = 86_400.0
QUEUE_RETRY_S = 10


def require_room(session: Session, *, more: int = 0) -> None:
    """Raise `LimitReached` where this session's caller asks for more than its key may; called by what creates jobs.

    more: jobs that are yet to be queued.
    """
    caller = caller_of(session)
    if caller is None or caller.key_id is None:
        return
    if most := caller.limits.queued_jobs:
        _refuse_queued(session, caller.key_id, most, more)
    if most := caller.limits.steps_a_day:
        _refuse_steps(session, caller.key_id, most)


def _refuse_queued(session: Session, key_id: str, most: int, more: int) -> None:
    of_key = (Job.key_id == key_id, Job.status == Status.QUEUED)
    queued = more + (session.scalar(select(func.count(Job.id)).where(*of_key)) or 0)
    if queued > most:
        raise LimitReached(
            f"{queued} jobs of this key would be queued, and it may have {most}: wait until some have begun, or "
            "cancel some",
            limit="queued_jobs",
            allowed=most,
            retry_after_s=QUEUE_RETRY_S,
        )


def _refuse_steps(session: Session, key_id: str, most: int) -> None:
    of_today = (Job.key_id == key_id, Job.created_at > now() - DAY_S)
    steps = func.coalesce(func.sum(Job.progress["completed"].as_integer()), 0)
    trained, oldest_s = session.execute(
        select(steps, now() - func.min(Job.created_at)).where(*of_today)
    ).one()
    if trained >= most:
        raise LimitReached(
            f"the jobs that this key asked for in the last 24 hours took {trained} steps, and it may have {most}: "
            "ask again later, or ask an admin for a key that may have more",
            limit="steps_a_day",
            allowed=most,
            retry_after_s=max(1, int(DAY_S - (oldest_s or 0.0)) + 1),
        )
