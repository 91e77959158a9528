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


def submit_client_job(
    session: Session,
    kind: Kind,
    body: ClientRequest,
    *,
    more: dict[str, Any] | None = None,
    **key: Unpack[Key],
) -> tuple[Job, bool]:
    """Make the job; (the job, replayed). more: of its config."""
    config = body.model_dump(mode="json", by_alias=True, exclude=ABOUT) | {"params": {}} | (more or {})
    new = NewJob(
        kind=kind,
        workload=body.name,
        driver=Driver.CLIENT,
        config=config,
        name=body.name,
        tags=body.tags,
        **key,
    )
    job, replayed = jobs.create(session, new)
    return (job if replayed else client_runs.begin(session, job)), replayed
