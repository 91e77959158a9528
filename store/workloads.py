"""What can be run: the workloads that workers published."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from store.database import now, upsert
from store.models import Workload


def publish(
    session: Session, workloads: Sequence[dict[str, Any]], *, installation: str | None = None
) -> None:
    """Announce workloads; one that was published before is replaced.

    `workloads`: dicts of name, description, params_schema, default_optimizer, default_batch_size, and perhaps
    optimizers: those that are installed beside torch's, {name: {params_schema, lr_meaning}}. `installation`: what
    is installed there (worker/installation.py), None where not all of it could be loaded.
    """
    for workload in sorted(workloads, key=lambda workload: str(workload["name"])):
        row = workload | {"published_at": now(), "installation": installation}
        upsert(session, Workload, ["name"], row)


def find_all(session: Session) -> list[Workload]:
    """Every workload that was ever published, by name."""
    return list(session.scalars(select(Workload).order_by(Workload.name)))


def withdraw_others(session: Session, *, installation: str) -> None:
    """Forget every workload unless this very installation published it."""
    session.execute(delete(Workload).where(Workload.installation.is_distinct_from(installation)))
