"""What every request for a job has in common: which workload, how it is trained, whose it is."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, FiniteFloat, StrictInt, ValidationError, field_validator

from api.errors import invalid, invalid_at
from api.pointers import pointer_to
from api.requests.body import Body, Text
from clr.optimizers import AnyOptimizer, parse_any

Timeout = Annotated[FiniteFloat, Field(gt=0, le=604_800, strict=True)]
Name = Annotated[Text | None, Field(max_length=200)]
Tags = Annotated[list[Annotated[Text, Field(min_length=1, max_length=64)]], Field(max_length=20)]
Priority = Annotated[
    Literal["low", "normal", "high"], Field(description="which jobs are started first; then by age")
]
LAST_SEED = 2_000_000_000
SETUP = ("params", "optimizer", "batch_size")  # of a workload: bounds are those of this setup
Seed = Annotated[StrictInt, Field(ge=0, le=LAST_SEED)]


class WorkloadRequest(Body):
    """A workload and how it is trained; what is left out is the workload's own."""

    workload: Text = Field(max_length=200, description="a name of GET /workloads")
    params: dict[str, Any] = Field(default={}, description="the workload's own, by its params_schema")
    optimizer: AnyOptimizer | None = Field(
        default=None, union_mode="left_to_right", description="default: the workload's"
    )
    batch_size: StrictInt | None = Field(default=None, ge=1, le=65_536, description="default: the workload's")
    priority: Priority = "normal"
    name: Name = None
    tags: Tags = Field(default=[])

    @field_validator("optimizer", mode="before")
    @classmethod
    def _check_parameters(cls, optimizer: Any) -> Any:
        check_optimizer(optimizer, "optimizer")
        return optimizer


def check_optimizer(optimizer: Any, *path: object) -> None:
    """Raise a 422 problem for what is wrong with an optimizer at `path`."""
    if optimizer is None or isinstance(optimizer, BaseModel):  # nothing, or checked before
        return
    if not isinstance(optimizer, dict):
        raise invalid(pointer_to(*path), 'must be a JSON object, as {"name": "AdamW"}')
    try:
        parse_any(optimizer)
    except ValidationError as error:
        raise invalid_at(error, optimizer, *path) from None
