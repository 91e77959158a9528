"""Sweeps that idle slots measure before their range test asks for them: jobs of kind `sweep`, claimed after all others.

Each has a claim and a lease of its own, as every job has, so that a slot that is lost costs its sweep alone. What the
range test asks for becomes a run of its own; the rest is kept until it is deleted, and read by nothing.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from store import jobs, runs
from store.database import now
from store.jobs import NewJob
from store.models import Attempt, CurveChunk, Job, Run, Worker
from store.status import Kind, Priority, Status, move


def count_idle_slots(session: Session, workload: str) -> int:
    """How many more jobs of this workload the workers that are known could run now."""
    able = [worker for worker in session.scalars(select(Worker)) if workload in worker.workloads]
    running = select(func.count()).where(
        Attempt.worker_id.in_([worker.id for worker in able]), Attempt.finished_at.is_(None)
    )
    return max(0, sum(worker.slots for worker in able) - (session.scalar(running) or 0))


def offer(session: Session, range_test: Job, plans: Sequence[dict[str, Any]]) -> None:
    """Queue a sweep for each plan."""
    new = [
        NewJob(
            project=range_test.project,
            kind=Kind.SWEEP,
            workload=range_test.workload,
            config={**range_test.config, "plan": plan},
            priority=Priority.IDLE,
            made_for=range_test.id,
        )
        for plan in plans
    ]
    if new:
        jobs.create_all(session, new)


def list_offers(session: Session, range_test_id: str) -> list[Job]:
    """The sweeps that were offered for a range test and not taken over, as they stand."""
    return list(session.scalars(select(Job).where(Job.made_for == range_test_id, Job.kind == Kind.SWEEP)))


def withdraw(session: Session, sweep_id: str) -> bool:
    """Cancel a sweep that nobody has begun; whether it was so."""
    job = session.get(Job, sweep_id, with_for_update=True, populate_existing=True)
    if job is None or job.status != Status.QUEUED:
        return False
    move(session, sweep_id, Status.CANCELLED)
    return True


def take_over(
    session: Session, sweep_id: str, job_id: str, *, sweep: int, seed: int, plan: dict[str, Any]
) -> None:
    """Make a sweep that succeeded a finished run of its range test, in place of what a lost attempt left of it."""
    run = {"job_id": job_id, "sweep": sweep, "seed": seed}
    cuts = runs.drop(session, job_id, sweep=sweep, seed=seed)
    session.execute(
        update(CurveChunk).where(CurveChunk.job_id == sweep_id).values(job_id=job_id, sweep=sweep)
    )
    session.add(Run(**run, plan=plan, finished_at=now(), cuts=cuts))
    session.flush()
    session.execute(delete(Job).where(Job.id == sweep_id))


def count_unread_steps(session: Session, range_test_id: str) -> int:
    """The steps that were measured ahead and not asked for."""
    return sum((job.progress or {}).get("completed", 0) for job in list_offers(session, range_test_id))
