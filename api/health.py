"""Is the process alive, and can the service do its job?"""

from fastapi import APIRouter
from pydantic import BaseModel

from api.catalogue import no_catalogue
from api.openapi import responses
from api.resources import OpenResourcesDep

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """All is well."""

    status: str = "ok"


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers, whatever its threads are busy with."""
    return Health()


@router.get("/readyz", responses=responses(503))
async def readyz(resources: OpenResourcesDep) -> Health:
    """The database answers and a worker has published its workloads."""
    if not await resources.readiness.has_catalogue():
        raise no_catalogue()
    return Health()
