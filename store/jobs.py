"""Jobs of every kind: create, find, claim, renew, end. The rules of the queue are here and nowhere else.

A claim is one guarded UPDATE that raises `attempt`; that number fences every later write of the claim.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.orm import Session, aliased

from store import counters
from store.database import insert_for, now
from store.errors import ClaimLost, Conflict, KeyReused, NotFound
from store.models import Attempt, Job, Worker
from store.status import ACTIVE, FINAL, RETRIED, Reason, Status, move

AFTER_S = 1e-6  # between jobs that are queued together: what their order hangs on


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What a request asks for, validated and with every default resolved."""

    id: str = field(default_factory=lambda: str(uuid4()))
    kind: str
    workload: str
    config: dict[str, Any]
    name: str | None = None
    tags: Sequence[str] = ()
    after_job: str | None = None
    comparison_id: str | None = None
    idempotency_key: str | None = None
    request_hash: str | None = None


def create(session: Session, new: NewJob, *, before: NewJob | None = None) -> tuple[Job, bool]:
    """Queue a job; (job, replayed). A key seen before answers the job it made, if the body is the same.

    before: a job without a key that the new one waits for; queued with it, unless it is a replay.
    Raises `KeyReused` when the body was another. Two racing creates with one key make one job.
    """
    row = _row(new, now() if before is None else now() + AFTER_S)
    job = session.execute(
        insert_for(session)(Job)
        .values(row)
        .on_conflict_do_nothing(index_elements=["kind", "idempotency_key"])
        .returning(Job)
    ).scalar_one_or_none()
    if job is None:
        made = made_before(
            session, new.kind, idempotency_key=new.idempotency_key, request_hash=new.request_hash
        )
        assert made is not None
        return made, True
    if before is not None:
        session.execute(insert(Job).values(_row(before, job.created_at - AFTER_S)))
    return job, False


def create_all(session: Session, news: Sequence[NewJob]) -> None:
    """Queue jobs without keys in one statement; their order is kept: each is a little newer than the one before."""
    first = session.scalar(select(now())) or 0.0
    rows = [_row(new, first + AFTER_S * index) for index, new in enumerate(news)]
    session.execute(insert(Job), rows)


def _row(new: NewJob, created_at: Any) -> dict[str, Any]:
    row = {each.name: getattr(new, each.name) for each in fields(new)}
    return row | {
        "tags": list(new.tags),
        "status": Status.QUEUED,
        "attempt": 0,
        "created_at": created_at,
    }


def made_before(
    session: Session, kind: str, *, idempotency_key: str | None, request_hash: str | None
) -> Job | None:
    """The job that this Idempotency-Key made; None of a new one. Raises `KeyReused` when the body was another."""
    same_key = and_(Job.kind == kind, Job.idempotency_key == idempotency_key)
    job = session.scalar(select(Job).where(same_key)) if idempotency_key is not None else None
    if job is not None and job.request_hash != request_hash:
        raise KeyReused
    return job


def get(session: Session, job_id: str, *, kind: str | None = None) -> Job:
    """The job, of this kind if one is given. Raises `NotFound`."""
    job = session.get(Job, job_id)
    if job is None or kind not in (None, job.kind):
        raise NotFound
    return job


def find(
    session: Session,
    *,
    limit: int,
    kind: str | None = None,
    status: str | None = None,
    workload: str | None = None,
    tag: str | None = None,
    after: tuple[float, str] | None = None,
) -> list[Job]:
    """At most `limit` jobs, newest first; `after`: (created_at, id) of the last job of the page before."""
    query = select(Job).order_by(Job.created_at.desc(), Job.id.desc()).limit(limit)
    if kind is not None:
        query = query.where(Job.kind == kind)
    if status is not None:
        query = query.where(Job.status == status)
    if workload is not None:
        query = query.where(Job.workload == workload)
    if tag is not None:
        query = query.where(_has_tag(session, tag))
    if after is not None:
        query = query.where(tuple_(Job.created_at, Job.id) < after)
    return list(session.scalars(query))


def _has_tag(session: Session, tag: str) -> Any:
    elements = {"postgresql": "json_array_elements_text", "sqlite": "json_each"}[
        session.get_bind().dialect.name
    ]
    each = getattr(func, elements)(Job.tags).table_valued("value")
    return select(1).select_from(each).where(each.c.value == tag).exists()


def followers(session: Session, job_id: str) -> int:
    """How many queued jobs wait for this one."""
    waiting = select(func.count()).where(Job.after_job == job_id, Job.status == Status.QUEUED)
    return session.scalar(waiting) or 0


def refuse_needed(session: Session, job_ids: Sequence[str]) -> None:
    """Raise `Conflict` where a job that is not final needs what one of these found, or its checkpoints."""
    needs = or_(Job.after_job.in_(job_ids), Job.config["resume_from"].as_string().in_(job_ids))
    open_job = session.scalar(select(Job.id).where(Job.status.not_in(FINAL), needs).limit(1))
    if open_job is not None:
        raise Conflict(f"the job {open_job} needs it and is not final: wait, or cancel that first")


def _ready_at() -> ColumnElement[float]:
    """Since when nothing but a worker is missing: it was created, or what it waits for ended."""
    before = aliased(Job)
    ended = select(before.finished_at).where(before.id == Job.after_job).scalar_subquery()
    return func.coalesce(ended, Job.created_at)


def _may_start() -> ColumnElement[bool]:
    before = aliased(Job)
    unfinished = select(1).where(before.id == Job.after_job, before.status.not_in(FINAL))
    return or_(Job.after_job.is_(None), ~unfinished.exists())


def request_cancel(session: Session, job_id: str) -> Job:
    """Cancel a queued job, or ask the worker of a running one to stop; asking again changes nothing.

    A range test that was made for a queued training job, and for no other that still waits, goes with it.
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
    made_for_it = job.after_job is not None and job.config.get("range_test_id") is None
    if made_for_it and to == Status.CANCELLED and not followers(session, str(job.after_job)):
        with suppress(Conflict, NotFound):  # it is final already
            request_cancel(session, str(job.after_job))
    return cancelled


def remove(session: Session, job_id: str) -> None:
    """Delete a job with everything measured.

    Raises `NotFound`, and `Conflict` while it may still run, another needs it, or it is part of a comparison.
    """
    refuse_needed(session, [job_id])
    job = session.get(Job, job_id)
    if job is not None and job.comparison_id is not None:
        raise Conflict(f"it is part of the comparison {job.comparison_id}: delete that")
    removed = session.execute(
        delete(Job).where(Job.id == job_id, Job.status.in_(FINAL)).returning(Job.id)
    ).scalar_one_or_none()
    if removed is None:
        status = get(session, job_id).status
        advice = "wait until it has stopped" if status == Status.CANCELLING else "cancel it first"
        raise Conflict(f"the job is {status}: {advice}")


def waiting(session: Session, *, for_s: float) -> tuple[int, int]:
    """(Queued jobs, those of them that could have been claimed for over `for_s` seconds).

    Jobs that no living worker can run, or that wait for another, do not count: a ring for them would only wear
    out a child.
    """
    runnable = {name for names in session.scalars(select(Worker.workloads)) for name in names}
    old = func.count().filter(_ready_at() < now() - for_s)
    counted = select(func.count(), old).where(
        Job.status == Status.QUEUED, Job.workload.in_(runnable), _may_start()
    )
    queued, late = session.execute(counted).one()
    return queued, late


def claim(
    session: Session, *, workloads: Collection[str], worker_id: str, ring_id: str, pid: int, lease_s: float
) -> Job | None:
    """Take the oldest queued job whose workload is among `workloads` and that waits for no other; None when there
    is none."""
    let_go = select(func.max(Attempt.finished_at)).where(Attempt.job_id == Job.id).scalar_subquery()
    found = session.execute(
        select(Job.id, now() - func.coalesce(let_go, _ready_at()))
        .where(Job.status == Status.QUEUED, Job.workload.in_(workloads), _may_start())
        .order_by(Job.created_at, Job.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if found is None:
        return None
    job_id, waited_s = found
    job = move(
        session,
        job_id,
        Status.RUNNING,
        attempt=Job.attempt + 1,
        lease_expires_at=now() + lease_s,
        progress=None,
        progressed_at=now(),
        started_at=func.coalesce(Job.started_at, now()),
    )
    session.add(
        Attempt(
            job_id=job.id,
            attempt=job.attempt,
            worker_id=worker_id,
            ring_id=ring_id,
            pid=pid,
            started_at=now(),
        )
    )
    session.flush()
    counters.observe_claim(session, waited_s)
    return job


def renew(session: Session, job_id: str, attempt: int, *, lease_s: float) -> Status:
    """Hold the job for another `lease_s` seconds; answers its status. Raises `ClaimLost`."""
    return _touch(session, job_id, attempt, Job.lease_expires_at > now(), lease_expires_at=now() + lease_s)


def report(session: Session, job_id: str, attempt: int, progress: dict[str, Any]) -> Status:
    """Note how far the attempt is; answers the job's status. Raises `ClaimLost`: then write nothing."""
    return _touch(session, job_id, attempt, progress=progress, progressed_at=now())


def _touch(session: Session, job_id: str, attempt: int, *guard: ColumnElement[bool], **values: Any) -> Status:
    held = (Job.id == job_id, Job.attempt == attempt, Job.status.in_(ACTIVE), *guard)
    status = session.scalar(update(Job).where(*held).values(**values).returning(Job.status))
    if status is None:
        raise ClaimLost
    return Status(status)


def succeed(session: Session, job_id: str, attempt: int, *, outcome: str, result: dict[str, Any]) -> None:
    """End the attempt with a result. Raises `ClaimLost`."""
    move(session, job_id, Status.SUCCEEDED, of_attempt=attempt, outcome=outcome, result=result)
    _end_attempt(session, job_id, attempt, Status.SUCCEEDED)


def fail(
    session: Session, job_id: str, attempt: int, reason: Reason, message: str, *, max_attempts: int
) -> Status:
    """End the attempt without a result; answers what became of the job.

    A job that was asked to stop is cancelled; one whose worker or database was lost is queued again until
    that happened `max_attempts` times; any other has failed. Raises `ClaimLost`.
    """
    losses = session.scalar(select(func.count()).where(Attempt.job_id == job_id, Attempt.ended.in_(RETRIED)))
    lapsed = session.scalar(select(Job.lease_expires_at < now()).where(Job.id == job_id))
    if reason in RETRIED and (losses or 0) + 1 < max_attempts:
        to, why = Status.QUEUED, {}
    else:
        to, why = Status.FAILED, {"reason": reason, "message": _storable(message)}
    became = _let_go(session, job_id, attempt, to, ended=reason, **why)
    if lapsed and reason == Reason.WORKER_LOST:
        counters.add(session, counters.LEASE_LOSSES)
    return became


def _storable(text: str) -> str:
    """NUL characters and lone surrogates spelled out: no database takes them as they are."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def give_back(session: Session, job_id: str, attempt: int) -> Status:
    """Queue the job again, not counted against it; cancel it if that was asked for. Raises `ClaimLost`."""
    return _let_go(session, job_id, attempt, Status.QUEUED, ended="given_back")


def _let_go(session: Session, job_id: str, attempt: int, to: Status, *, ended: str, **values: Any) -> Status:
    if _touch(session, job_id, attempt, lease_expires_at=Job.lease_expires_at) == Status.CANCELLING:
        to, ended, values = Status.CANCELLED, Status.CANCELLED, {}
    if to == Status.QUEUED:
        values = {"lease_expires_at": None, "progress": None}
    move(session, job_id, to, of_attempt=attempt, **values)
    _end_attempt(session, job_id, attempt, ended)
    return to


def _end_attempt(session: Session, job_id: str, attempt: int, ended: str) -> None:
    session.execute(
        update(Attempt)
        .where(Attempt.job_id == job_id, Attempt.attempt == attempt)
        .values(finished_at=now(), ended=ended)
    )
    counters.add(session, counters.ATTEMPTS, ended)


def expired(session: Session) -> list[Job]:
    """The jobs whose lease ran out, locked for this transaction where the database can."""
    query = select(Job).where(Job.lease_expires_at < now(), Job.status.in_(ACTIVE))
    return list(session.scalars(query.with_for_update(skip_locked=True)))


def active(session: Session) -> list[Job]:
    """Jobs that a worker holds, or held when it was lost."""
    return list(session.scalars(select(Job).where(Job.status.in_(ACTIVE))))


@dataclass(frozen=True, slots=True)
class Held:
    """A running attempt as its worker watches it; every age in seconds of the database's clock."""

    job_id: str
    attempt: int
    pid: int
    timeout_s: float | None
    running_for_s: float
    unchanged_for_s: float
    cancelling_for_s: float | None
    lease_left_s: float


def held_by(session: Session, worker_id: str, *, ring_id: str | None = None) -> list[Held]:
    """What the children of this worker run; of one ring if it is given."""
    query = (
        select(
            Job.id,
            Job.attempt,
            Attempt.pid,
            Job.config,
            now() - Attempt.started_at,
            now() - Job.progressed_at,
            now() - Job.cancel_requested_at,
            Job.lease_expires_at - now(),
        )
        .join(Attempt, and_(Attempt.job_id == Job.id, Attempt.attempt == Job.attempt))
        .where(Job.status.in_(ACTIVE), Attempt.worker_id == worker_id)
    )
    if ring_id is not None:
        query = query.where(Attempt.ring_id == ring_id)
    return [
        Held(job_id, attempt, pid, config.get("timeout_s"), *ages)
        for job_id, attempt, pid, config, *ages in session.execute(query)
    ]


def zombies(session: Session, worker_id: str, *, within_s: float) -> list[int]:
    """Pids of this worker's children whose claim was taken from them in the last `within_s` seconds."""
    return list(
        session.scalars(
            select(Attempt.pid).where(
                Attempt.worker_id == worker_id,
                Attempt.ended == Reason.WORKER_LOST,
                Attempt.finished_at > now() - within_s,
            )
        )
    )
