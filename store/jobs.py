"""Jobs of every kind: created, found, cancelled, removed. Who runs one is for store/claims.py to say."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any, TypedDict, Unpack
from uuid import uuid4

from sqlalchemy import Select, and_, func, insert, or_, select, tuple_
from sqlalchemy.orm import Session

from store import claims, quota, removal
from store.callers import EVERY_PROJECT, caller_of, project_of
from store.database import insert_for, now
from store.errors import Conflict, KeyReused, NotFound
from store.models import Job, JobTag
from store.search import Age, AgeColumns, narrow
from store.status import ASKED, FINAL, Driver, Kind, Priority, Status, move

AFTER_S = 2e-6  # between jobs that are queued together; apart in microseconds too, as answers show them


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What a request asks for, validated and with every default resolved.

    project: default that of the session's caller. timeout_s: of one attempt. after_job: must end first. made_for: the
    first job that a range test was queued for, where nobody asked for it. resume_from: the job whose checkpoints it
    goes on from. label: of its entry in a comparison.
    """

    id: str = field(default_factory=lambda: str(uuid4()))
    project: str | None = None
    kind: Kind
    workload: str
    driver: Driver = Driver.WORKER
    config: dict[str, Any]
    priority: Priority = Priority.NORMAL
    name: str | None = None
    tags: Sequence[str] = ()
    timeout_s: float | None = None
    after_job: str | None = None
    made_for: str | None = None
    resume_from: str | None = None
    comparison_id: str | None = None
    label: str | None = None
    idempotency_key: str | None = None
    request_hash: str | None = None


def create(session: Session, new: NewJob, *, before: NewJob | None = None) -> tuple[Job, bool]:
    """Queue a job; (job, replayed). A key seen before answers the job it made, if the body is the same.

    before: a job without a key that the new one waits for; queued with it, unless it is a replay.
    Raises `KeyReused` when the body was another. Two racing creates with one key make one job.
    """
    row = describe(session, new) | {
        "created_at": now() if before is None else now() + AFTER_S,
        "changed_at": now(),
    }
    job = session.execute(
        insert_for(session)(Job)
        .values(row)
        .on_conflict_do_nothing(index_elements=["project", "kind", "idempotency_key"])
        .returning(Job)
    ).scalar_one_or_none()
    if job is None:
        made = made_before(
            session, new.kind, idempotency_key=new.idempotency_key, request_hash=new.request_hash
        )
        assert made is not None
        return made, True
    rows = [row | {"created_at": job.created_at}]
    if before is not None:
        about = {"created_at": job.created_at - AFTER_S, "changed_at": job.changed_at}
        rows.append(describe(session, before) | about)
        session.execute(insert(Job).values(rows[-1]))
    _tag(session, rows)
    if new.driver == Driver.WORKER:  # nobody queues for what its caller measures
        quota.require_room(session)
    return job, False


def create_all(session: Session, news: Sequence[NewJob]) -> None:
    """Queue a few jobs, which have no keys, in one statement.

    Their order is kept: each is a little newer than the one before, and a turn later.
    """
    first = session.scalar(select(now())) or 0.0
    turn = claims.first_turn(session, news[0].project or project_of(session), news[0].priority)
    rows = [
        describe(session, new) | {"created_at": first + AFTER_S * n, "turn": turn + n}
        for n, new in enumerate(news)
    ]
    insert_rows(session, rows)


def insert_rows(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Queue jobs that have no keys, in one statement; every row has the same columns."""
    session.execute(
        insert(Job).values(changed_at=now()), rows, execution_options={"render_nulls": True}
    )  # else a statement per set of nulls
    _tag(session, rows)


def _tag(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    if tags := list_tags(rows):
        session.execute(insert(JobTag), tags)


def list_tags(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of `job_tags` by which lists find these rows of `jobs`."""
    return [
        {"job_id": row["id"], "tag": tag} | {name: row[name] for name in ("project", "kind", "created_at")}
        for row in rows
        for tag in dict.fromkeys(row["tags"])
    ]


def describe(session: Session, new: NewJob) -> dict[str, Any]:
    """The row of a new job, which is its caller's, but for when it was created; JSON can hold it."""
    row = {each.name: getattr(new, each.name) for each in fields(new)}
    caller = caller_of(session)
    return row | {
        "project": new.project or project_of(session),
        "key_id": caller and caller.key_id,
        "tags": list(new.tags),
        "status": Status.QUEUED,
        "attempt": 0,
    }


def made_before(
    session: Session, kind: Kind, *, idempotency_key: str | None, request_hash: str | None
) -> Job | None:
    """The job that this Idempotency-Key made; None of a new one. Raises `KeyReused` when the body was another."""
    same_key = and_(
        Job.project == project_of(session), Job.kind == kind, Job.idempotency_key == idempotency_key
    )
    job = session.scalar(select(Job).where(same_key)) if idempotency_key is not None else None
    if job is not None and job.request_hash != request_hash:
        raise KeyReused
    return job


def get(session: Session, job_id: str, *, kind: Kind | None = None) -> Job:
    """The job, of this kind if one is given; none that is shown nowhere. Raises `NotFound`."""
    job = session.get(Job, job_id)
    if job is None or job.kind not in ASKED or kind not in (None, job.kind):
        raise NotFound
    return job


class Narrowing(TypedDict, total=False):
    """What a list is narrowed to; what is None is not."""

    status: str | None
    workload: str | None
    tag: str | None
    driver: str | None


def find(
    session: Session,
    *,
    limit: int,
    kind: Kind | None = None,
    after: Age | None = None,
    **narrowing: Unpack[Narrowing],
) -> list[Job]:
    """At most `limit` jobs, newest first; `after`: the last job of the page before."""
    lists = [_newest(each, after=after, **narrowing) for each in _kinds(kind)]
    return _merge(session, lists, limit)


def search(
    session: Session,
    text: str,
    *,
    limit: int,
    kind: Kind | None = None,
    after: Age | None = None,
    **narrowing: Unpack[Narrowing],
) -> tuple[list[Job], Age | None]:
    """At most `limit` jobs of the list that are like this text, newest first, and the last that was looked at.

    None: there is nothing behind it. An id that begins so is found at once, wherever it is.
    """
    lists = [_newest(each, after=after, **narrowing) for each in _kinds(kind)]
    lists, end = narrow(session, lists, text, Job, _age(narrowing.get("tag")))
    return _merge(session, lists, limit), end


def _kinds(kind: Kind | None) -> Iterable[Kind]:
    return ASKED if kind is None else (kind,)


def _merge(session: Session, lists: Sequence[Select[Job]], limit: int) -> list[Job]:
    found = [job for each in lists for job in session.scalars(each.limit(limit))]
    return sorted(found, key=lambda job: (job.created_at, job.id), reverse=True)[:limit]


def _age(tag: str | None) -> AgeColumns:
    return (Job.created_at, Job.id) if tag is None else (JobTag.created_at, JobTag.job_id)


def _newest(kind: Kind, *, after: Age | None, **narrowing: Unpack[Narrowing]) -> Select[Job]:
    """Every filter but the driver has an index that begins with the kind and ends with the age."""
    tag = narrowing.pop("tag", None)
    query, age = select(Job).where(Job.kind == kind), _age(tag)
    if tag is not None:
        query = query.join(JobTag, JobTag.job_id == Job.id).where(JobTag.kind == kind, JobTag.tag == tag)
    for name, value in narrowing.items():
        if value is not None:
            query = query.where(getattr(Job, name) == value)
    if after is not None:
        query = query.where(tuple_(*age) < after)
    return query.order_by(*(column.desc() for column in age))


def followers(session: Session, job_id: str) -> int:
    """How many queued jobs wait for this one."""
    waiting = select(func.count()).where(Job.after_job == job_id, Job.status == Status.QUEUED)
    return session.scalar(waiting) or 0


def refuse_needed(session: Session, job_ids: Sequence[str]) -> None:
    """Raise `Conflict` where a job that is not final needs what one of these found, or its checkpoints."""
    needs = or_(Job.after_job.in_(job_ids), Job.resume_from.in_(job_ids))
    query = select(Job.id).where(Job.status.not_in(FINAL), needs).limit(1)
    open_job = session.scalar(query, execution_options=EVERY_PROJECT)  # an admin's may be of another
    if open_job is not None:
        raise Conflict(f"the job {open_job} needs it and is not final: wait, or cancel that first")


def request_cancel(session: Session, job_id: str) -> Job:
    """Cancel a queued job, or ask the worker of a running one to stop; asking again changes nothing.

    One that its caller measures is cancelled at once: the caller hears of it with its next word.
    A range test that was made for others goes with the last queued one that waits for it.
    Raises `NotFound`, and `Conflict` when the job has ended otherwise.
    """
    job = session.get(Job, job_id, with_for_update=True)
    if job is None:
        raise NotFound
    if job.status in (Status.CANCELLING, Status.CANCELLED):
        return job
    if job.status in FINAL:
        raise Conflict(f"the job has ended already ({job.status}): nothing is left to cancel")
    to = Status.CANCELLED if job.status == Status.QUEUED else Status.CANCELLING
    cancelled = move(session, job_id, to, cancel_requested_at=now())
    if job.driver == Driver.CLIENT:
        return move(session, job_id, Status.CANCELLED)
    before = session.get(Job, job.after_job) if job.after_job else None
    needless = before is not None and before.made_for is not None and not followers(session, before.id)
    if before is not None and needless and to == Status.CANCELLED:
        with suppress(Conflict):  # it is final already
            request_cancel(session, before.id)
    return cancelled


def remove(session: Session, job_id: str) -> None:
    """Delete a job with everything measured, whose rows `chores.free` frees.

    Raises `NotFound`, and `Conflict` while it may still run, another needs it, or it is part of a comparison.
    """
    refuse_needed(session, [job_id])
    job = get(session, job_id)
    if job.comparison_id is not None:
        raise Conflict(f"it is part of the comparison {job.comparison_id}: delete that")
    if job.status not in FINAL:
        advice = "wait until it has stopped" if job.status == Status.CANCELLING else "cancel it first"
        raise Conflict(f"the job is {job.status}: {advice}")
    removal.bury(session, [job_id])
