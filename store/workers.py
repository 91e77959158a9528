"""Who runs jobs: the workers that live, each with the names of the workloads it has."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from store.database import now, upsert
from store.models import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """One Celery parent and what it offers."""

    id: str
    hostname: str
    pid: int
    slots: int
    device: str


def publish(session: Session, worker: WorkerInfo, workloads: Sequence[str]) -> None:
    """Announce a worker with the names of the workloads that it has."""
    upsert(
        session,
        Worker,
        ["id"],
        asdict(worker) | {"workloads": list(workloads), "started_at": now(), "seen_at": now()},
    )


def seen(session: Session, worker_id: str) -> bool:
    """Note that a worker is alive; whether it is known here."""
    touched = update(Worker).where(Worker.id == worker_id).values(seen_at=now()).returning(Worker.id)
    return session.scalar(touched) is not None


def is_seen(session: Session, hostname: str, *, within_s: float) -> bool:
    """Whether a worker on this host was alive so recently."""
    recent = select(Worker.id).where(Worker.hostname == hostname, Worker.seen_at > now() - within_s)
    return session.scalar(recent.limit(1)) is not None


def are_unseen(session: Session, *, for_s: float) -> bool:
    """Whether there are workers that were not seen for so long."""
    return session.scalar(select(Worker.id).where(Worker.seen_at < now() - for_s).limit(1)) is not None


def forget(session: Session, *, unseen_for_s: float) -> None:
    """Drop the workers that were not seen for so long."""
    session.execute(delete(Worker).where(Worker.seen_at < now() - unseen_for_s))


def forget_all(session: Session) -> None:
    """Drop every worker."""
    session.execute(delete(Worker))


def living(session: Session) -> list[Worker]:
    """The workers that publish here, longest-serving first."""
    return list(session.scalars(select(Worker).order_by(Worker.started_at, Worker.id)))
