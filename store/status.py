"""The status machine: one table of allowed moves, and the one function that makes them.

The SQL guard, the test of every pair and the table in the docs all come from `MOVES`.
Stored values are only ever added.
"""

from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from store import counters, webhooks
from store.database import now
from store.errors import ClaimLost, Conflict, NotFound
from store.models import Job


class Status(StrEnum):
    """How the execution of a job stands."""

    QUEUED = "queued"  #: waiting for a worker
    RUNNING = "running"  #: a worker holds it
    CANCELLING = "cancelling"  #: a worker holds it and was asked to stop
    SUCCEEDED = "succeeded"  #: ended by itself; `outcome` says what the science found
    FAILED = "failed"  #: ended without a result; `reason` says why
    CANCELLED = "cancelled"  #: ended because somebody asked


MOVES: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.CANCELLED}),
    Status.RUNNING: frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELLING, Status.QUEUED}),
    Status.CANCELLING: frozenset({Status.CANCELLED, Status.SUCCEEDED, Status.FAILED}),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELLED: frozenset(),
}

ACTIVE = frozenset({Status.RUNNING, Status.CANCELLING})  # a worker holds the job
FINAL = frozenset(status for status, moves in MOVES.items() if not moves)


class Kind(StrEnum):
    """What a job is."""

    RANGE_TEST = "range_test"  #: measures which rates are usable
    TRAINING_JOB = "training_job"  #: trains once under a schedule
    SWEEP = "sweep"  #: measures one sweep ahead for a range test; shown nowhere
    DELETED = "deleted"  #: was any of these; shown nowhere while its rows are freed


ASKED = (Kind.RANGE_TEST, Kind.TRAINING_JOB)  # for by somebody: these are listed and counted


class Chore(StrEnum):
    """What is still to be done for a comparison."""

    QUEUE = "queue"  #: some of its jobs are not there yet
    CANCEL = "cancel"  #: it was cancelled, and some of its jobs were not
    DELETE = "delete"  #: it was deleted; shown nowhere


class Driver(StrEnum):
    """Who measures a job."""

    WORKER = "worker"  #: one of ours
    CLIENT = "client"  #: the caller's own process, by ask and tell; it runs from its first moment


class Priority(IntEnum):
    """How urgent a job is: the least number is claimed first, whatever the age."""

    HIGH = 0
    NORMAL = 1
    LOW = 2
    IDLE = 3  #: of a sweep that is measured ahead: nobody asks for it


class Outcome(StrEnum):
    """What the science says of a job that succeeded."""

    BOUNDS_FOUND = "bounds_found"  #: of a range test
    INCONCLUSIVE = "inconclusive"  #: of a range test; `why` and the next experiment are in its result
    TRAINED = "trained"  #: of a training job
    MEASURED = "measured"  #: of a sweep
    DIVERGED = "diverged"  #: of a training job whose loss stopped being finite


class Reason(StrEnum):
    """Why a job failed; stable codes."""

    WORKER_LOST = "worker_lost"  #: killed, or cut off from the database for longer than its lease
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out_of_memory"
    INVALID_WORKLOAD = "invalid_workload"
    DATASET_MISSING = "dataset_missing"
    TIMED_OUT = "timed_out"
    STALLED = "stalled"
    WORKLOAD_ERROR = "workload_error"
    NO_BOUNDS = "no_bounds"  #: of a job that waited for a range test
    ABANDONED = "abandoned"  #: of a cancelled job whose caller said nothing any more
    INVALID_BUDGET = "invalid_budget"  #: seen only when the workload told its steps per epoch


RETRIED = frozenset({Reason.WORKER_LOST})


def changed() -> dict[str, Any]:
    """What every write to a job sets beside what it changes, but for its progress: who follows it hears of it so."""
    return {"version": Job.version + 1, "changed_at": now()}


def move(session: Session, job_id: str, to: Status, *, of_attempt: int | None = None, **values: Any) -> Job:
    """Move a job to `to`, setting `values` with it; every status write goes through here.

    `of_attempt`: the claim this move belongs to; None for moves that belong to no claim.
    Raises `NotFound`, `ClaimLost` when the attempt is over, and `Conflict` when the status forbids the move.
    """
    sources = [status for status, moves in MOVES.items() if to in moves]
    guard = [Job.id == job_id, Job.status.in_(sources)]
    if of_attempt is not None:
        guard.append(Job.attempt == of_attempt)
    values |= changed()
    if to in FINAL:
        values |= {"finished_at": now(), "lease_expires_at": None}
    moved = session.execute(
        update(Job).where(*guard).values(status=to, **values).returning(Job),
        execution_options={"populate_existing": True},
    ).scalar_one_or_none()
    if moved is not None:
        _settle(session, job_id, moved.kind, to)
        return moved
    job = session.get(Job, job_id, populate_existing=True)
    if job is None:
        raise NotFound
    if of_attempt is not None and (job.attempt != of_attempt or job.status not in ACTIVE):
        raise ClaimLost
    raise Conflict(f"a {job.status} job cannot become {to}")


def move_all(session: Session, job_ids: Sequence[str], source: Status, to: Status, **values: Any) -> None:
    """Move those of these jobs that still stand at `source`: one statement, and of no claim."""
    assert to in MOVES[source]
    values |= changed()
    if to in FINAL:
        values |= {"finished_at": now(), "lease_expires_at": None}
    moved = session.execute(
        update(Job)
        .where(Job.id.in_(job_ids), Job.status == source)
        .values(status=to, **values)
        .returning(Job.id, Job.kind),
        execution_options={"synchronize_session": False},
    )
    for job_id, kind in moved.all():
        _settle(session, job_id, kind, to)


def _settle(session: Session, job_id: str, kind: str, to: Status) -> None:
    """What goes with a move."""
    if to in FINAL and kind in ASKED:
        counters.add(session, counters.ENDED_JOBS, to)
        webhooks.tell(session, f"job.{to}", job_id=job_id)
    if to in FINAL and kind == Kind.RANGE_TEST:
        _end_sweeps(session, job_id)


def _end_sweeps(session: Session, range_test_id: str) -> None:
    """Cancel what is still measured ahead for a range test that has ended."""
    open_sweeps = select(Job.id, Job.status).where(
        Job.made_for == range_test_id, Job.kind == Kind.SWEEP, Job.status.in_([Status.QUEUED, Status.RUNNING])
    )
    for sweep_id, status in session.execute(open_sweeps.with_for_update()).all():
        to = Status.CANCELLED if status == Status.QUEUED else Status.CANCELLING
        move(session, sweep_id, to, cancel_requested_at=now())
