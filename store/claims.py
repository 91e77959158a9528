"""The claims of a job: taken, renewed, ended, given back. The rules of the queue are here and nowhere else.

A claim is one guarded UPDATE that raises `attempt`; that number fences every later write of the claim.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from store import counters, projects
from store.database import now
from store.errors import ClaimLost
from store.models import QUEUED, Attempt, Comparison, Job, Project, Worker
from store.status import ACTIVE, FINAL, RETRIED, Chore, Outcome, Priority, Reason, Status, move

OLDEST_EVERY = 10  # claims
AT_ONCE = 100  # claims that one transaction ends
ASKED_FOR = [priority for priority in Priority if priority != Priority.IDLE]


def waiting(session: Session, *, for_s: float) -> tuple[int, int]:
    """(Queued jobs, those of them that could have been claimed for over `for_s` seconds).

    Jobs that no living worker can run, or that wait for another, do not count: a ring for them would only fork
    a process for nothing.
    """
    runnable = {name for names in session.scalars(select(Worker.workloads)) for name in names}
    old = func.count().filter(_ready_at() < now() - for_s)
    counted = select(func.count(), old).where(QUEUED, Job.workload.in_(runnable), _may_start())
    queued, late = session.execute(counted).one()
    return queued, late


def claim(
    session: Session, *, workloads: Collection[str], worker_id: str, ring_id: str, pid: int, lease_s: float
) -> Job | None:
    """Take a queued job whose workload is among `workloads` and that waits for no other: of the project whose turn it
    is, by priority, and then as `_first` says; None when there is none."""
    in_turn = projects.in_turn(session)
    first = (
        _first_of(session, project, priorities, workloads)
        for priorities in (ASKED_FOR, [Priority.IDLE])  # what nobody asked for yet comes after all others
        for project in in_turn
    )
    found = next(filter(None, first), None)
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
    projects.note_claim(session, job.project)
    counters.observe_claim(session, waited_s)
    return job


def _first_of(
    session: Session, project: Project, priorities: Sequence[Priority], workloads: Collection[str]
) -> tuple[str, float] | None:
    """(id, seconds waited) of the job of this project that is next, by priority and then as `_first` says."""
    by_turn = project.claims % OLDEST_EVERY < OLDEST_EVERY - 1
    first = (_first(session, project.name, priority, workloads, by_turn=by_turn) for priority in priorities)
    return next(filter(None, first), None)


def _first(
    session: Session, project: str, priority: Priority, workloads: Collection[str], *, by_turn: bool
) -> tuple[str, float] | None:
    """(id, seconds waited) of the job of this priority that is next, locked for this transaction.

    Those asked for by themselves (turn 0), then comparisons turn by turn; the older first. Every tenth claim is by
    age alone, so that no stream of jobs holds up a comparison for ever.
    """
    let_go = select(func.max(Attempt.finished_at)).where(Attempt.job_id == Job.id).scalar_subquery()
    found = session.execute(
        select(Job.id, now() - func.coalesce(let_go, _ready_at()))
        .where(
            QUEUED,
            Job.project == project,
            Job.priority == priority,
            Job.workload.in_(workloads),
            _may_start(),
        )
        .order_by(*([Job.turn] if by_turn else []), Job.created_at, Job.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    return None if found is None else (found[0], found[1])


def first_turn(session: Session, project: str, priority: Priority) -> int:
    """The turn that comparisons of this priority are at: those of the jobs of a new one begin there."""
    begun = select(Job.turn).where(
        QUEUED, Job.project == project, Job.priority == priority, Job.turn > 0, _may_start()
    )
    return session.scalar(begun.order_by(Job.turn).limit(1)) or 1


def renew(session: Session, job_id: str, attempt: int, *, lease_s: float) -> Status:
    """Hold the job for another `lease_s` seconds; answers its status. Raises `ClaimLost`."""
    return _touch(session, job_id, attempt, Job.lease_expires_at > now(), lease_expires_at=now() + lease_s)


def report(session: Session, job_id: str, attempt: int, progress: dict[str, Any]) -> Status:
    """Note how far the attempt is; answers the job's status. Raises `ClaimLost`: then write nothing."""
    return _touch(session, job_id, attempt, progress=progress, progressed_at=now())


def fix(session: Session, job_id: str, attempt: int, config: dict[str, Any]) -> Status:
    """Set the job's config. Raises `ClaimLost`."""
    return _touch(session, job_id, attempt, config=config)


def _touch(session: Session, job_id: str, attempt: int, *guard: ColumnElement[bool], **values: Any) -> Status:
    held = (Job.id == job_id, Job.attempt == attempt, Job.status.in_(ACTIVE), *guard)
    status = session.scalar(update(Job).where(*held).values(**values).returning(Job.status))
    if status is None:
        raise ClaimLost
    return Status(status)


def succeed(session: Session, job_id: str, attempt: int, *, outcome: Outcome, result: dict[str, Any]) -> None:
    """End the attempt with a result. Raises `ClaimLost`."""
    move(session, job_id, Status.SUCCEEDED, of_attempt=attempt, outcome=outcome, result=result)
    _end_attempt(session, job_id, attempt, Status.SUCCEEDED)


def fail(
    session: Session, job_id: str, attempt: int, reason: Reason, message: str, *, max_attempts: int
) -> Status:
    """End the attempt without a result; answers what became of the job.

    A job that was asked to stop is cancelled; one whose worker was lost is queued again until
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
        values = {"lease_expires_at": None, "progress": None, "turn": 0}
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
    """Jobs whose lease ran out, a hundred at most, locked for this transaction where the database can."""
    query = select(Job).where(Job.lease_expires_at < now(), Job.status.in_(ACTIVE)).limit(AT_ONCE)
    return list(session.scalars(query.with_for_update(skip_locked=True)))


def active(session: Session) -> list[Job]:
    """Jobs that a worker holds, or held when it was lost."""
    return list(session.scalars(select(Job).where(Job.lease_expires_at.is_not(None))))


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
            Job.timeout_s,
            now() - Attempt.started_at,
            now() - Job.progressed_at,
            now() - Job.cancel_requested_at,
            Job.lease_expires_at - now(),
        )
        .join(Attempt, and_(Attempt.job_id == Job.id, Attempt.attempt == Job.attempt))
        .where(Job.lease_expires_at.is_not(None), Attempt.worker_id == worker_id)
    )
    if ring_id is not None:
        query = query.where(Attempt.ring_id == ring_id)
    rows: list[Any] = list(session.execute(query))  # as the fields of `Held` stand
    return [Held(*row) for row in rows]


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


def _ready_at() -> ColumnElement[float]:
    """Since when nothing but a worker is missing: it was created, or what it waits for ended."""
    before = aliased(Job)
    ended = select(before.finished_at).where(before.id == Job.after_job).scalar_subquery()
    return func.coalesce(ended, Job.created_at)


def _may_start() -> ColumnElement[bool]:
    before = aliased(Job)
    unfinished = select(1).where(before.id == Job.after_job, before.status.not_in(FINAL))
    cancelled = select(Comparison.id).where(Comparison.chore == Chore.CANCEL)
    return and_(
        or_(Job.after_job.is_(None), ~unfinished.exists()),
        or_(Job.comparison_id.is_(None), Job.comparison_id.not_in(cancelled)),
    )
