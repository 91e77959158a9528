"""Who can run what: the workers that live, and the workloads they published."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from store.database import now, upsert
from store.models import Worker, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """One Celery parent and what it offers."""

    id: str
    hostname: str
    pid: int
    slots: int
    device: str


def publish(
    session: Session,
    worker: WorkerInfo,
    workloads: Sequence[dict[str, Any]],
    *,
    installation: str | None = None,
) -> None:
    """Announce a worker with the workloads it has; a workload published before is replaced.

    `workloads`: dicts of name, description, params_schema, default_optimizer, default_batch_size. `installation`:
    what is installed there (worker/installation.py), None where not all of it could be loaded.
    """
    for workload in sorted(workloads, key=lambda workload: str(workload["name"])):
        row = workload | {"published_at": now(), "installation": installation}
        upsert(session, Workload, ["name"], row)
    offered = [workload["name"] for workload in workloads]
    upsert(
        session,
        Worker,
        ["id"],
        asdict(worker) | {"workloads": offered, "started_at": now(), "seen_at": now()},
    )


def seen(session: Session, worker_id: str) -> bool:
    """Note that a worker is alive; whether it is known here."""
    touched = update(Worker).where(Worker.id == worker_id).values(seen_at=now()).returning(Worker.id)
    return session.scalar(touched) is not None


def is_seen(session: Session, hostname: str, *, within_s: float) -> bool:
    """Whether a worker on this host was alive so recently."""
    recent = select(Worker.id).where(Worker.hostname == hostname, Worker.seen_at > now() - within_s)
    return session.scalar(recent.limit(1)) is not None


def forget(session: Session, *, unseen_for_s: float) -> None:
    """Drop the workers that were not seen for so long."""
    session.execute(delete(Worker).where(Worker.seen_at < now() - unseen_for_s))


def start_over(session: Session, *, installation: str) -> None:
    """Forget every worker, and every workload unless this very installation published it."""
    session.execute(delete(Worker))
    session.execute(delete(Workload).where(Workload.installation.is_distinct_from(installation)))


def living(session: Session) -> list[Worker]:
    """The workers that publish here, longest-serving first."""
    return list(session.scalars(select(Worker).order_by(Worker.started_at, Worker.id)))


def workloads(session: Session) -> list[Workload]:
    """Every workload that was ever published, by name."""
    return list(session.scalars(select(Workload).order_by(Workload.name)))
