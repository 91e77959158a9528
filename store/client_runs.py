"""Runs that a caller's own process measures: given out under a lease, received row by row, finished once.

A lapsed lease only lets another caller take the run; until then its token is good. Every writer locks the job first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from store import runs
from store.database import now
from store.errors import Conflict, NotFound
from store.models import OPEN_OF_CLIENTS, ClientRun, Job
from store.status import ACTIVE, Driver, Outcome, Reason, Status, move

AT_ONCE = 100  # jobs that one transaction cancels


class Held(Conflict):
    """Another caller holds this run."""

    def __init__(self, client_id: str, left_s: float) -> None:
        super().__init__(
            f"another caller, {client_id}, holds this run: without a word of it for {left_s:.0f} s more"
        )
        self.client_id, self.left_s = client_id, left_s


class WrongToken(Conflict):
    """This token holds no run of this job: ask for one."""


class TokenSpent(Conflict):
    """The run was given out again since."""

    def __init__(self, client_id: str) -> None:
        super().__init__(
            f"the run was given out again since, to {client_id}: ask again, or let it go on where that is another "
            "process; processes that measure at once need a client_id each"
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """New rows of a run, by series, as `runs.append` takes them."""

    train: Sequence[Sequence[float]]
    held_out: Sequence[Sequence[float]]


def lock(session: Session, job_id: str) -> Job:
    """The job, for this transaction alone. Raises `NotFound`, and `Conflict` where workers measure it."""
    job = session.get(Job, job_id, with_for_update=True, populate_existing=True)
    if job is None:
        raise NotFound
    if job.driver != Driver.CLIENT:
        raise Conflict('workers measure this job: callers measure those of "driver": "client"')
    return job


def begin(session: Session, job: Job) -> Job:
    """Have a job that was just created run: nobody queues for it."""
    return move(session, job.id, Status.RUNNING, started_at=now(), progressed_at=now())


def count(session: Session, job_id: str) -> int:
    """How many runs of the job were given out."""
    return session.scalar(select(func.count()).where(ClientRun.job_id == job_id)) or 0


def find_open(session: Session, job_id: str) -> ClientRun | None:
    """The run that was given out and not finished."""
    return session.scalar(
        select(ClientRun).where(ClientRun.job_id == job_id, ClientRun.finished_at.is_(None))
    )


def get(session: Session, job_id: str, *, number: int) -> ClientRun:
    """A run that was given out. Raises `NotFound`."""
    run = session.get(ClientRun, (job_id, number))
    if run is None:
        raise NotFound(f"no run {number} of this job was given out: ask for one")
    return run


def find_held(session: Session, job_id: str, number: int, token: str) -> ClientRun:
    """The run that this token holds, or held to its end.

    Raises `NotFound` where no such run was given out, `WrongToken` and `TokenSpent`.
    """
    run = get(session, job_id, number=number)
    if token in run.spent_tokens:
        raise TokenSpent(run.client_id)
    if token != run.token:
        raise WrongToken
    return run


def give(
    session: Session,
    job: Job,
    plan: dict[str, Any],
    *,
    client_id: str,
    lease_s: float,
    completed: int,
    total: int,
) -> ClientRun:
    """Give out a new run. completed: of the `total` steps of the job, those that were received before."""
    run = ClientRun(
        job_id=job.id,
        number=count(session, job.id),
        sweep=plan["sweep"],
        seed=plan["seed"],
        client_id=client_id,
        token=token_urlsafe(24),
        spent_tokens=[],
        lease_expires_at=0.0,
        received_up_to=0,
        diverged=False,
    )
    session.add(run)
    job.progress = {"phase": plan["phase"], "completed": completed, "total": total, "unit": "steps"}
    runs.begin_run(session, job.id, sweep=run.sweep, seed=run.seed, plan=plan)
    renew(session, job, run, lease_s=lease_s)
    return run


def hold(
    session: Session, job: Job, run: ClientRun, *, client_id: str, instead_of: str | None, lease_s: float
) -> bool:
    """Hold an open run: one's own goes on; whether it was another's, whose lease has lapsed.

    instead_of: another caller that is known to be gone. Raises `Held` while another's lease lasts.
    """
    was_anothers = run.client_id != client_id
    left_s = session.scalar(select(run.lease_expires_at - now())) or 0.0
    if was_anothers and left_s > 0 and run.client_id != instead_of:
        raise Held(run.client_id, left_s)
    run.client_id = client_id
    renew(session, job, run, lease_s=lease_s)
    return was_anothers


def void(session: Session, job: Job, run: ClientRun, *, after_step: int = -1) -> None:
    """Forget what was received of an open run after this step: its weights are gone. Its token is spent."""
    of_run = {"sweep": run.sweep, "seed": run.seed}
    dropped = max(0, run.received_up_to - after_step - 1)
    runs.cut(session, job.id, **of_run, after_step=after_step)
    run.received_up_to -= dropped
    run.diverged = run.diverged and not dropped  # which it did in its last row
    run.spent_tokens = [*run.spent_tokens, run.token]
    run.token = token_urlsafe(24)
    _count(job, -dropped)


def renew(session: Session, job: Job, run: ClientRun, *, lease_s: float) -> None:
    """Note that the caller is alive."""
    run.lease_expires_at = session.scalar(select(now() + lease_s)) or 0.0
    job.progressed_at = run.lease_expires_at - lease_s
    session.flush()


def kept(run: ClientRun) -> list[str] | None:
    """What was kept of the losses that were received of this run; None where it is not of just these."""
    if run.received_up_to == 0:
        return []
    of, *values = run.kept or [""]
    return values if of == _name_received(run) else None


def _name_received(run: ClientRun) -> str:
    return f"{run.received_up_to} under {run.token}"


def receive(
    session: Session, job: Job, run: ClientRun, rows: Rows, *, diverged: bool, kept: Sequence[str]
) -> None:
    """Keep new rows. kept: of all losses with them, what judges the next one."""
    of_run = {"sweep": run.sweep, "seed": run.seed}
    for series, new in (("train", rows.train), ("held_out", rows.held_out)):
        if new:
            runs.append(session, job.id, **of_run, series=series, rows=new)
    run.received_up_to += len(rows.train)
    run.diverged = diverged
    run.kept = [_name_received(run), *kept]
    _count(job, len(rows.train))


def _count(job: Job, steps: int) -> None:
    if job.progress is not None:
        job.progress = {**job.progress, "completed": job.progress["completed"] + steps}


def finish(session: Session, run: ClientRun) -> None:
    """End a run: all of it was received."""
    run.finished_at = session.scalar(select(now()))
    runs.finish_run(session, run.job_id, sweep=run.sweep, seed=run.seed)


def succeed(session: Session, job: Job, *, outcome: Outcome, result: dict[str, Any]) -> None:
    """End the job with its result; how many steps there were is known now."""
    if job.progress is not None:
        job.progress = {**job.progress, "total": job.progress["completed"]}
    move(session, job.id, Status.SUCCEEDED, outcome=outcome, result=result)


def list_abandoned(session: Session, *, idle_s: float) -> list[str]:
    """The ids of jobs whose callers said nothing for so long, locked for this transaction; a hundred at most."""
    query = select(Job.id).where(OPEN_OF_CLIENTS, Job.progressed_at < now() - idle_s, Job.status.in_(ACTIVE))
    return list(session.scalars(query.limit(AT_ONCE).with_for_update(skip_locked=True)))


def end_abandoned(session: Session, *, idle_s: float) -> list[str]:
    """Cancel some of the jobs whose callers said nothing for so long; their ids."""
    abandoned = list_abandoned(session, idle_s=idle_s)
    for job_id in abandoned:
        message = f"its caller said nothing for {idle_s / 86_400:g} days"
        move(session, job_id, Status.CANCELLING, cancel_requested_at=now())
        move(session, job_id, Status.CANCELLED, reason=Reason.ABANDONED, message=message)
    return abandoned
