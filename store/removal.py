"""Deleted jobs: a job that is to go is buried, which hides it at once, and its rows are freed in batches.

A curve of a million points is 24 MB in thousands of pages, and every page is written to be freed.
"""

from collections.abc import Sequence

from sqlalchemy import Select, delete, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from store import counters
from store.batches import BYTES, ROWS
from store.models import CurveChunk, Job
from store.status import ASKED, Kind

JOBS = 10  # freed in one transaction: each has its tags, attempts, runs ... with it
PLACE = (CurveChunk.sweep, CurveChunk.seed, CurveChunk.series, CurveChunk.first_step)


def bury(session: Session, job_ids: Sequence[str]) -> None:
    """Hide these jobs, which are final, with what was measured ahead for them and not taken over."""
    buried = or_(Job.id.in_(job_ids), Job.made_for.in_(job_ids) & (Job.kind == Kind.SWEEP))
    for kind, status, number in session.execute(
        select(Job.kind, Job.status, func.count()).where(Job.id.in_(job_ids)).group_by(Job.kind, Job.status)
    ):
        if kind in ASKED:
            counters.add(session, counters.ENDED_JOBS, status, by=-number)
    hidden = {"kind": Kind.DELETED, "comparison_id": None, "idempotency_key": None}
    session.execute(
        update(Job).where(buried).values(hidden), execution_options={"synchronize_session": False}
    )


def first_buried(session: Session) -> str | None:
    """The id of the job that is freed next; None where there is none."""
    return session.scalar(_buried(1))


def _buried(limit: int) -> Select[str]:
    oldest_first = select(Job.id).where(Job.kind == Kind.DELETED).order_by(Job.created_at, Job.id)
    return oldest_first.limit(limit)


def free_some(session: Session) -> bool:
    """Free rows of buried jobs, as many as one transaction may; whether any were there."""
    job_ids = session.scalars(_buried(JOBS).with_for_update(skip_locked=True)).all()
    rows_left, bytes_left = ROWS, BYTES
    for job_id in job_ids:
        chunks = select(*PLACE, func.length(CurveChunk.data)).where(CurveChunk.job_id == job_id)
        freed, last = 0, None
        for *place, size in session.execute(chunks.order_by(*PLACE).limit(rows_left)):
            freed, last, bytes_left = freed + 1, place, bytes_left - size
            if bytes_left <= 0:
                break
        if last is not None:
            of_job = delete(CurveChunk).where(CurveChunk.job_id == job_id, tuple_(*PLACE) <= tuple(last))
            session.execute(of_job, execution_options={"synchronize_session": False})
        rows_left -= freed
        if rows_left <= 0 or bytes_left <= 0:
            break
        session.execute(delete(Job).where(Job.id == job_id))
    return bool(job_ids)
