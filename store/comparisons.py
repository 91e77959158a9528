"""Comparisons: which training jobs belong together. How one stands follows from its jobs.

What concerns all its jobs is noted in its own row first, as its chore; `chores.finish` then does it in batches.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack
from uuid import uuid4

from sqlalchemy import ColumnElement, Select, func, insert, select, tuple_
from sqlalchemy.orm import Session

from store import claims, comparison_ends, jobs, quota, removal
from store.batches import ROWS
from store.callers import project_of
from store.comparison_status import Counts, stands_at
from store.database import insert_for, now
from store.errors import Conflict, KeyReused, NotFound
from store.jobs import AFTER_S, NewJob
from store.models import Comparison, ComparisonTag, Job
from store.search import Age, AgeColumns, narrow
from store.status import FINAL, Chore, Kind, Status, move_all

SHOWN = Comparison.chore.is_distinct_from(Chore.DELETE)
AT_ONCE = 50  # jobs that one transaction cancels, or buries


@dataclass(frozen=True, slots=True, kw_only=True)
class NewComparison:
    """What a request asks for, validated and with every default resolved.

    jobs: in the order in which they are to be run, range tests included. seeds: with which all its trainings are run
    after these, once each.
    """

    id: str = field(default_factory=lambda: str(uuid4()))
    workload: str
    config: dict[str, Any]
    name: str | None = None
    tags: Sequence[str] = ()
    range_test_id: str | None = None
    jobs: Sequence[NewJob]
    seeds: Sequence[int] = ()
    idempotency_key: str | None = None
    request_hash: str | None = None


def create(session: Session, new: NewComparison) -> tuple[Comparison, bool]:
    """Keep it; (comparison, replayed). Its jobs are queued by `chores.finish`.

    Raises `KeyReused` when the key came before with another body.
    """
    project = project_of(session)
    rows = [jobs.describe(session, job) for job in new.jobs]
    num_jobs = len(rows) + len(new.seeds) * len(_trainings(rows))
    turn = claims.first_turn(session, project, new.jobs[0].priority)
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
            num_jobs=num_jobs,
            plan={"jobs": rows, "seeds": list(new.seeds), "turn": turn},
            chore=Chore.QUEUE,
            created_at=now(),
            idempotency_key=new.idempotency_key,
            request_hash=new.request_hash,
        )
        .on_conflict_do_nothing(index_elements=["project", "idempotency_key"])
        .returning(Comparison)
    ).scalar_one_or_none()
    if made is not None:
        tag(session, made)
        quota.require_room(session, more=num_jobs)
        return made, False
    known = made_before(session, idempotency_key=new.idempotency_key, request_hash=new.request_hash)
    assert known is not None
    return known, True


def tag(session: Session, comparison: Comparison) -> None:
    """Have lists find it by its tags."""
    rows = [
        {
            "comparison_id": comparison.id,
            "tag": each,
            "project": comparison.project,
            "created_at": comparison.created_at,
        }
        for each in dict.fromkeys(comparison.tags)
    ]
    if rows:
        session.execute(insert(ComparisonTag), rows)


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
    if comparison is None or comparison.chore == Chore.DELETE:
        raise NotFound("there is no such comparison")
    return comparison


class Narrowing(TypedDict, total=False):
    """What a list is narrowed to; what is None is not. range_test_id: whose bounds they confirm."""

    status: Status | None
    workload: str | None
    tag: str | None
    range_test_id: str | None


def find(
    session: Session, *, limit: int, after: Age | None = None, **narrowing: Unpack[Narrowing]
) -> list[Comparison]:
    """At most `limit` comparisons, newest first; `after`: the last of the page before."""
    query, _ = _newest(after, **narrowing)
    return list(session.scalars(query.limit(limit)))


def search(
    session: Session, text: str, *, limit: int, after: Age | None = None, **narrowing: Unpack[Narrowing]
) -> tuple[list[Comparison], Age | None]:
    """At most `limit` of the list that are like this text, newest first, and the last that was looked at.

    None: there is nothing behind it.
    """
    query, age = _newest(after, **narrowing)
    (query,), end = narrow(session, [query], text, Comparison, age)
    return list(session.scalars(query.limit(limit))), end


def _newest(after: Age | None, **narrowing: Unpack[Narrowing]) -> tuple[Select[Comparison], AgeColumns]:
    """The list, and the columns that order it. Every filter but the status has an index that ends with these."""
    tag, status = narrowing.pop("tag", None), narrowing.pop("status", None)
    query, age = select(Comparison).where(SHOWN), (Comparison.created_at, Comparison.id)
    if tag is not None:
        age = (ComparisonTag.created_at, ComparisonTag.comparison_id)
        query = query.join(ComparisonTag, ComparisonTag.comparison_id == Comparison.id)
        query = query.where(ComparisonTag.tag == tag)
    if status is not None:
        query = query.where(stands_at(status))
    for name, value in narrowing.items():
        if value is not None:
            query = query.where(getattr(Comparison, name) == value)
    if after is not None:
        query = query.where(tuple_(*age) < after)
    return query.order_by(*(column.desc() for column in age)), age


def of_range_test(session: Session, job_id: str) -> list[Comparison]:
    """Those that put its bounds to the test, newest first."""
    confirming = select(Comparison).where(SHOWN, Comparison.range_test_id == job_id)
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


def queue_some(session: Session, comparison: Comparison) -> None:
    """Queue the next of its jobs, as many as one transaction may: each a little newer, and a turn later."""
    plan = comparison.plan or {}
    first, trainings = plan["jobs"], _trainings(plan["jobs"])
    made = _count(session, comparison.id)
    end = min(comparison.num_jobs, made + max(1, ROWS // (1 + len(comparison.tags))))
    rows = []
    for number in range(made, end):
        seed, entry = divmod(number - len(first), len(trainings))
        row = first[number] if number < len(first) else _reseed(trainings[entry], plan["seeds"][seed])
        created_at = comparison.created_at + AFTER_S * number
        rows.append(row | {"turn": plan["turn"] + number, "created_at": created_at})
    jobs.insert_rows(session, rows)
    if end == comparison.num_jobs:
        comparison.plan = None
        comparison.chore = None if comparison.chore == Chore.QUEUE else comparison.chore


def _trainings(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["kind"] == Kind.TRAINING_JOB]


def _reseed(training: dict[str, Any], seed: int) -> dict[str, Any]:
    return training | {"id": str(uuid4()), "config": training["config"] | {"seed": seed}}


def _count(session: Session, comparison_id: str, *which: ColumnElement[bool]) -> int:
    counted = select(func.count()).where(Job.comparison_id == comparison_id, *which)
    return session.scalar(counted) or 0


def request_cancel(session: Session, comparison_id: str) -> None:
    """Have every job of it cancelled that is not final: from now on none is claimed.

    Raises `NotFound`, and `Conflict` when all of them were.
    """
    comparison = _lock(session, comparison_id)
    if comparison.chore is None and not _count(session, comparison_id, Job.status.not_in(FINAL)):
        raise Conflict("every job of the comparison has ended")
    comparison.chore = Chore.CANCEL


def cancel_some(session: Session, comparison: Comparison) -> None:
    """Cancel the next of its jobs, once all of them are there."""
    if comparison.plan is not None:
        queue_some(session, comparison)
        return
    for source, to in ((Status.QUEUED, Status.CANCELLED), (Status.RUNNING, Status.CANCELLING)):
        open_jobs = select(Job.id).where(Job.comparison_id == comparison.id, Job.status == source)
        if some := session.scalars(open_jobs.limit(AT_ONCE)).all():
            move_all(session, some, source, to, cancel_requested_at=now())
            return
    comparison.chore = None


def remove(session: Session, comparison_id: str) -> list[str]:
    """Delete it with its jobs and everything measured; answers the ids of these jobs. Nobody finds it from now on.

    Raises `NotFound`, and `Conflict` while one of them may still run.
    """
    comparison = _lock(session, comparison_id)
    made = session.execute(select(Job.id, Job.status).where(Job.comparison_id == comparison_id)).all()
    unfinished = comparison.num_jobs - sum(status in FINAL for _, status in made)
    if unfinished:
        raise Conflict(f"{unfinished} of its jobs have not ended: cancel the comparison first")
    job_ids = [job_id for job_id, _ in made]
    jobs.refuse_needed(session, job_ids)
    comparison_ends.note(session, comparison_id)
    comparison.chore, comparison.idempotency_key = Chore.DELETE, None
    return job_ids


def bury_some(session: Session, comparison: Comparison) -> None:
    """Bury the next of its jobs, and at last drop its own row."""
    made = select(Job.id).where(Job.comparison_id == comparison.id)
    if some := session.scalars(made.limit(AT_ONCE)).all():
        removal.bury(session, some)
    else:
        session.delete(comparison)


def _lock(session: Session, comparison_id: str) -> Comparison:
    """The comparison, for this transaction alone. Raises `NotFound`."""
    session.get(Comparison, comparison_id, with_for_update=True, populate_existing=True)
    return get(session, comparison_id)
