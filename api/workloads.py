"""What can be run, as the workers published it."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.catalogue import explain_unknown
from api.openapi import responses
from api.security import ResourcesDep
from store import workloads
from store.errors import NotFound
from store.models import Workload

router = APIRouter(tags=["workloads"])


class WorkloadView(BaseModel):
    """A workload: its parameters as JSON Schema, and what is used where a request says nothing."""

    name: str
    description: str
    params_schema: dict[str, Any]
    default_optimizer: dict[str, Any]
    default_batch_size: int
    optimizers: dict[str, Any] = Field(
        description="installed there beside torch's: {name: {params_schema, lr_meaning}}"
    )

    @classmethod
    def of(cls, workload: Workload) -> "WorkloadView":
        """The answer for a row."""
        fields = {name: getattr(workload, name) for name in cls.model_fields}
        return cls(**fields | {"optimizers": workload.optimizers or {}})


class Workloads(BaseModel):
    """Everything that can be run."""

    items: list[WorkloadView]


@router.get("/workloads")
def list_workloads(resources: ResourcesDep) -> Workloads:
    """Every workload that a worker published."""
    with resources.database.read() as session:
        return Workloads(items=[WorkloadView.of(workload) for workload in workloads.find_all(session)])


@router.get("/workloads/{name}", responses=responses(404))
def get_workload(resources: ResourcesDep, name: str) -> WorkloadView:
    """One workload."""
    with resources.database.read() as session:
        by_name = {workload.name: workload for workload in workloads.find_all(session)}
    if name not in by_name:
        raise NotFound(explain_unknown(name, by_name))
    return WorkloadView.of(by_name[name])
