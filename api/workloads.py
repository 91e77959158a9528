"""What can be run, as the workers published it; requests are checked against it before they are queued."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError as SchemaError
from pydantic import BaseModel
from sqlalchemy.orm import Session

from api.errors import Problem, invalid, invalid_fields, pointer_to, responses
from api.requests.body import refuse_unknown
from api.resources import Opened
from clr.spelling import did_you_mean
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

    @classmethod
    def of(cls, workload: Workload) -> "WorkloadView":
        """The answer for a row."""
        return cls(**{name: getattr(workload, name) for name in cls.model_fields})


class Workloads(BaseModel):
    """Everything that can be run."""

    items: list[WorkloadView]


@router.get("/workloads")
def list_workloads(state: Opened) -> Workloads:
    """Every workload that a worker published."""
    with state.database.read() as session:
        return Workloads(items=[WorkloadView.of(workload) for workload in workloads.find_all(session)])


@router.get("/workloads/{name}", responses=responses(404))
def get_workload(state: Opened, name: str) -> WorkloadView:
    """One workload."""
    with state.database.read() as session:
        known = {workload.name: workload for workload in workloads.find_all(session)}
    if name not in known:
        raise NotFound(_unknown(name, known))
    return WorkloadView.of(known[name])


def no_catalogue() -> Problem:
    """503: no worker was here since anything was installed."""
    detail = "no worker has published its workloads yet; it does some seconds after its start: try again"
    return Problem(503, "catalogue_empty", detail, headers={"Retry-After": "2"})


def find_workload(session: Session, name: str) -> Workload:
    """The workload a request names. Raises a 422 problem for an unknown one, 503 before any was published."""
    known = {workload.name: workload for workload in workloads.find_all(session)}
    if not known:
        raise no_catalogue()
    if name not in known:
        raise invalid("/workload", _unknown(name, known))
    return known[name]


def _unknown(name: str, known: Iterable[str]) -> str:
    listed = f"{did_you_mean(name, known)}known: {', '.join(known) or 'none'}"
    return (
        f"unknown workload {name!r}; {listed}. One installed since is published when its worker is restarted"
    )


def resolve_params(workload: Workload, params: dict[str, Any]) -> dict[str, Any]:
    """The params with the schema's defaults. Raises a 422 problem that names each wrong one."""
    schema = workload.params_schema
    properties = schema.get("properties", {})
    if schema.get("additionalProperties") is False:
        refuse_unknown(params, properties, "params")
    errors = list(Draft202012Validator(schema).iter_errors(params))
    if errors:
        raise invalid_fields((pointer_to("params", *error.absolute_path), _say(error)) for error in errors)
    return {name: each["default"] for name, each in properties.items() if "default" in each} | params


def _say(error: SchemaError) -> str:
    options: Any = error.validator_value if error.validator == "enum" else ()
    return did_you_mean(error.instance, [one for one in options if isinstance(one, str)]) + error.message
