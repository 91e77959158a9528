"""Is the process alive, and can the service do its job?"""

from fastapi import APIRouter
from pydantic import BaseModel

from api.errors import responses
from api.resources import Opened
from api.workloads import no_catalogue
from store import workloads

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """All is well."""

    status: str = "ok"


@router.get("/healthz")
def healthz() -> Health:
    """The process answers."""
    return Health()


@router.get("/readyz", responses=responses(503))
def readyz(state: Opened) -> Health:
    """The database answers and a worker has published its workloads."""
    with state.database.read() as session:
        if not workloads.find_all(session):
            raise no_catalogue()
    return Health()
