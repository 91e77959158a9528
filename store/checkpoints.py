"""Where the checkpoints of training jobs lie: published by the claim that wrote them, the best and the newest kept."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from store.artifacts import Artifacts
from store.database import now
from store.models import Checkpoint, Job
from store.status import Kind

log = logging.getLogger(__name__)

AT_ONCE = 500  # ids in one statement; databases have a limit
FOLDER = "checkpoints"  # below the artifacts' root


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCheckpoint:
    """A file that is complete: everything that its job needs to go on after `step`.

    path: below the root of the artifacts of the worker on `hostname`. cycle: the one that ends at `step`, if one does.
    """

    step: int
    path: str
    size_bytes: int
    hostname: str
    cycle: int | None
    best: bool


def publish(session: Session, job_id: str, attempt: int, new: NewCheckpoint) -> list[str]:
    """Make it the newest of its job, and the best where it says so; answers the paths that nothing needs now."""
    of_job = Checkpoint.job_id == job_id
    needless = or_(Checkpoint.best.is_(False), Checkpoint.best.is_(new.best), Checkpoint.step >= new.step)
    dropped = session.scalars(delete(Checkpoint).where(of_job, needless).returning(Checkpoint.path)).all()
    session.add(
        Checkpoint(
            job_id=job_id,
            attempt=attempt,
            created_at=now(),
            step=new.step,
            path=new.path,
            size_bytes=new.size_bytes,
            hostname=new.hostname,
            cycle=new.cycle,
            best=new.best,
        )
    )
    return [path for path in dropped if path != new.path]


def of_job(session: Session, job_id: str) -> list[Checkpoint]:
    """The job's checkpoints, newest first."""
    query = select(Checkpoint).where(Checkpoint.job_id == job_id).order_by(Checkpoint.step.desc())
    return list(session.scalars(query))


def without_job(session: Session, job_ids: Sequence[str]) -> set[str]:
    """Those of the ids that no job has any more."""
    known: set[str] = set()
    there = select(Job.id).where(Job.kind != Kind.DELETED)
    for first in range(0, len(job_ids), AT_ONCE):
        known |= set(session.scalars(there.where(Job.id.in_(job_ids[first : first + AT_ONCE]))))
    return set(job_ids) - known


def forget_files(artifacts: Artifacts, job_id: str) -> None:
    """Remove the checkpoints that lie here; a worker elsewhere tidies up before its next training job."""
    folder = f"{FOLDER}/{job_id}"
    try:
        artifacts.remove_folder(folder)
    except OSError as error:
        log.warning("the checkpoints of a deleted job stay in %s: %s", folder, error)
