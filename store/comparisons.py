"""Comparisons: which training jobs belong together. How one stands follows from its jobs."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import Session

from store import counters, jobs
from store.callers import project_of
from store.database import insert_for, now
from store.errors import Conflict, KeyReused, NotFound
from store.models import Comparison, Job
from store.status import FINAL, Status

Counts = Counter[tuple[str, str]]  # jobs, by (kind, status)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewComparison:
    """What a request asks for, validated and with every default resolved."""

    id: str = field(default_factory=lambda: str(uuid4()))
    workload: str
    config: dict[str, Any]
    name: str | None = None
    tags: Sequence[str] = ()
    range_test_id: str | None = None
    idempotency_key: str | None = None
    request_hash: str | None = None


def create(session: Session, new: NewComparison) -> tuple[Comparison, bool]:
    """Keep it; (comparison, replayed). Its jobs are created in the same transaction, unless it is a replay.

    Raises `KeyReused` when the key came before with another body.
    """
    made = session.execute(
        insert_for(session)(Comparison)
        .values(
            id=new.id,
            project=project_of(session),
            name=new.name,
            tags=list(new.tags),
            workload=new.workload,
            config=new.config,
            range_test_id=new.range_test_id,
            created_at=now(),
            idempotency_key=new.idempotency_key,
            request_hash=new.request_hash,
        )
        .on_conflict_do_nothing(index_elements=["project", "idempotency_key"])
        .returning(Comparison)
    ).scalar_one_or_none()
    if made is not None:
        return made, False
    known = made_before(session, idempotency_key=new.idempotency_key, request_hash=new.request_hash)
    assert known is not None
    return known, True


def made_before(
    session: Session, *, idempotency_key: str | None, request_hash: str | None
) -> Comparison | None:
    """The comparison that this Idempotency-Key made; None of a new one.

    Raises `KeyReused` when the body was another.
    """
    if idempotency_key is None:
        return None
    same_key = (Comparison.project == project_of(session), Comparison.idempotency_key == idempotency_key)
    comparison = session.scalar(select(Comparison).where(*same_key))
    if comparison is not None and comparison.request_hash != request_hash:
        raise KeyReused
    return comparison


def get(session: Session, comparison_id: str) -> Comparison:
    """The comparison. Raises `NotFound`."""
    comparison = session.get(Comparison, comparison_id)
    if comparison is None:
        raise NotFound("there is no such comparison")
    return comparison


def find(session: Session, *, limit: int, after: tuple[float, str] | None = None) -> list[Comparison]:
    """At most `limit` comparisons, newest first; `after`: (created_at, id) of the last of the page before."""
    query = select(Comparison).order_by(Comparison.created_at.desc(), Comparison.id.desc()).limit(limit)
    if after is not None:
        query = query.where(tuple_(Comparison.created_at, Comparison.id) < after)
    return list(session.scalars(query))


def of_range_test(session: Session, job_id: str) -> list[Comparison]:
    """Those that put its bounds to the test, newest first."""
    confirming = select(Comparison).where(Comparison.range_test_id == job_id)
    return list(session.scalars(confirming.order_by(Comparison.created_at.desc(), Comparison.id.desc())))


def jobs_of(session: Session, comparison_id: str) -> list[Job]:
    """Its jobs, range tests included, in the order they were made."""
    query = select(Job).where(Job.comparison_id == comparison_id)
    return list(session.scalars(query.order_by(Job.created_at, Job.id)))


def count_jobs(session: Session, comparison_ids: Sequence[str]) -> dict[str, Counts]:
    """How many jobs each of these comparisons has, by (kind, status)."""
    counted = (
        select(Comparison.id, Job.kind, Job.status, func.count())
        .join(Job, Job.comparison_id == Comparison.id)
        .where(Comparison.id.in_(comparison_ids))
        .group_by(Comparison.id, Job.kind, Job.status)
    )
    counts: dict[str, Counts] = {comparison_id: Counter() for comparison_id in comparison_ids}
    for comparison_id, kind, status, number in session.execute(counted):
        counts[comparison_id][kind, status] = number
    return counts


def status_of(statuses: Sequence[str]) -> Status:
    """How a comparison stands whose jobs stand so: it is running until all of them are final."""
    counts = Counter(statuses)
    if set(statuses) <= FINAL:
        ends = (Status.SUCCEEDED, Status.CANCELLED, Status.FAILED)
        return next((status for status in ends if counts[status]), Status.SUCCEEDED)
    if set(statuses) - FINAL == {Status.CANCELLING}:
        return Status.CANCELLING
    return Status.QUEUED if set(statuses) == {Status.QUEUED} else Status.RUNNING


def request_cancel(session: Session, comparison_id: str) -> None:
    """Cancel every job of it that is not final. Raises `NotFound`, and `Conflict` when all of them were."""
    open_jobs = [job for job in jobs_of(session, comparison_id) if job.status not in FINAL]
    if not open_jobs:
        get(session, comparison_id)
        raise Conflict("every job of the comparison has ended")
    for job in sorted(open_jobs, key=lambda job: job.after_job is None):  # those that wait for others first
        with suppress(Conflict):
            jobs.request_cancel(session, job.id)


def remove(session: Session, comparison_id: str) -> list[str]:
    """Delete it with its jobs and everything measured; answers the ids of these jobs.

    Raises `NotFound`, and `Conflict` while one of them may still run.
    """
    get(session, comparison_id)
    made = jobs_of(session, comparison_id)
    unfinished = sum(job.status not in FINAL for job in made)
    if unfinished:
        raise Conflict(f"{unfinished} of its jobs have not ended: cancel the comparison first")
    jobs.refuse_needed(session, [job.id for job in made])
    jobs.remove_sweeps(session, [job.id for job in made])
    session.execute(delete(Job).where(Job.comparison_id == comparison_id, Job.status.in_(FINAL)))
    for job in made:
        counters.add(session, counters.ENDED_JOBS, job.status, by=-1)
    session.execute(delete(Comparison).where(Comparison.id == comparison_id))
    return [job.id for job in made]
