"""Who runs the jobs."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from api.requests.body import Moment, moment
from api.security import ResourcesDep
from store import workers
from store.models import Worker

router = APIRouter(tags=["operations"])


class WorkerView(BaseModel):
    """One worker: a host's Celery parent with its slots."""

    id: str
    hostname: str
    pid: int
    slots: int
    device: str
    workloads: list[str]
    started_at: Moment
    seen_at: Moment

    @classmethod
    def of(cls, row: Worker) -> "WorkerView":
        """The answer for a row."""
        values: dict[str, Any] = {name: getattr(row, name) for name in cls.model_fields}
        times = {name: moment(values[name]) for name in ("started_at", "seen_at")}
        return cls(**values | times)


class Workers(BaseModel):
    """Every worker that was seen lately."""

    items: list[WorkerView]


@router.get("/workers")
def list_workers(resources: ResourcesDep) -> Workers:
    """Every worker that was seen lately, the longest-serving first."""
    with resources.database.read() as session:
        living = workers.living(session)
    return Workers(items=[WorkerView.of(row) for row in living])
