"""A job that its caller's own process measures: it runs from its first moment, and no worker sees it."""

from typing import Any, Unpack

from sqlalchemy.orm import Session

from api.idempotency import Key
from api.requests.client import ClientRequest
from store import client_runs, jobs
from store.jobs import NewJob
from store.models import Job
from store.status import Driver, Kind

ABOUT = {"driver", "name", "tags"}  # columns of a job, not of its config


def plan_client_job(
    kind: Kind, body: ClientRequest, *, more: dict[str, Any] | None = None, **key: Unpack[Key]
) -> NewJob:
    """The job; more: of its config."""
    config = body.model_dump(mode="json", by_alias=True, exclude=ABOUT) | {"params": {}} | (more or {})
    return NewJob(
        kind=kind,
        workload=body.name,
        driver=Driver.CLIENT,
        config=config,
        name=body.name,
        tags=body.tags,
        **key,
    )


def begin_client_job(session: Session, new: NewJob) -> tuple[Job, bool]:
    """Make the job; (the job, replayed)."""
    job, replayed = jobs.create(session, new)
    return (job if replayed else client_runs.begin(session, job)), replayed
