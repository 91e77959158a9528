"""What every request for a job has in common: which workload, how it is trained, whose it is."""

import hashlib
import json
from typing import Annotated, Any

from fastapi import Header, Response
from pydantic import BaseModel, Field, FiniteFloat, StrictInt, ValidationError, field_validator

from api.errors import invalid_at
from api.jobs import POLL_S
from api.plain import Body, Text
from api.workloads import resolve_params
from clr.optimizers import OptimizerSpec, parse_optimizer
from store.models import Workload

Timeout = Annotated[FiniteFloat, Field(gt=0, le=604_800, strict=True)]
Name = Annotated[Text | None, Field(max_length=200)]
Tags = Annotated[list[Annotated[Text, Field(min_length=1, max_length=64)]], Field(max_length=20)]
LAST_SEED = 2_000_000_000
Seed = Annotated[StrictInt, Field(ge=0, le=LAST_SEED)]

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x20-\x7e]+$",
        description="any text of yours: a POST repeated with it answers what the first one made",
    ),
]


class WorkloadRequest(Body):
    """A workload and how it is trained; what is left out is the workload's own."""

    workload: Text = Field(max_length=200, description="a name of GET /workloads")
    params: dict[str, Any] = Field(default={}, description="the workload's own, by its params_schema")
    optimizer: OptimizerSpec | None = Field(default=None, description="default: the workload's")
    batch_size: StrictInt | None = Field(default=None, ge=1, le=65_536, description="default: the workload's")
    name: Name = None
    tags: Tags = Field(default=[])

    @field_validator("optimizer", mode="before")
    @classmethod
    def _known_parameters(cls, given: Any) -> Any:
        check_optimizer(given, "optimizer")
        return given


def check_optimizer(given: Any, *path: object) -> None:
    """Raise a 422 problem for what is wrong with an optimizer at `path`."""
    if isinstance(given, dict):
        try:
            parse_optimizer(given)
        except ValidationError as error:
            raise invalid_at(error, given, *path) from None


def resolve(body: WorkloadRequest, workload: Workload) -> dict[str, Any]:
    """The request as its job keeps it, every default of the workload filled in."""
    optimizer = body.optimizer or parse_optimizer(workload.default_optimizer)
    given = body.model_dump(mode="json", exclude={"workload", "name", "tags"})
    return given | {
        "params": resolve_params(workload, body.params),
        "optimizer": optimizer.model_dump(mode="json"),
        "batch_size": body.batch_size or workload.default_batch_size,
    }


def request_hash(body: BaseModel, *more: str) -> str:
    """What tells two bodies apart that came with one Idempotency-Key; `more`: what the path said."""
    asked = json.dumps([body.model_dump(mode="json", exclude_unset=True), *more], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()


def accept(response: Response, location: str, *, replayed: bool) -> None:
    """Put the headers of a 202 on the response."""
    response.headers["Location"] = location
    response.headers["Retry-After"] = str(POLL_S)
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
