"""What every request for a job has in common that its caller's own process measures."""

from typing import Any, Literal

from pydantic import Field, StrictInt, ValidationError, field_validator

from api.errors import invalid
from api.requests.body import Body, Text
from api.requests.client_run import StepsPerEpoch
from api.requests.workload import Tags
from clr.optimizers import parse_optimizer


def find_driver(body: Any) -> str:
    """Who measures, by the `driver` of a request or a model of it. Raises a 422 problem for any other."""
    driver = body.get("driver", "worker") if isinstance(body, dict) else getattr(body, "driver", "worker")
    if driver not in ("worker", "client"):
        raise invalid("/driver", "must be one of worker, client")
    return str(driver)


class ClientRequest(Body):
    """What is tuned, in the caller's words: no worker trains it."""

    driver: Literal["client"] = Field(description="who measures: the caller's own process, no worker")
    name: Text = Field(min_length=1, max_length=200, description="what is tuned, as bert on sst2")
    optimizer: dict[str, Any] = Field(
        description="its name, and its parameters: momentum or betas tell how the rates are read",
    )
    batch_size: StrictInt | None = Field(default=None, ge=1, le=2**31, description="examples of an update")
    steps_per_epoch: StepsPerEpoch = None
    tags: Tags = Field(default=[])

    @field_validator("optimizer", mode="before")
    @classmethod
    def _spell_out(cls, optimizer: Any) -> Any:
        return {"name": optimizer} if isinstance(optimizer, str) else optimizer

    @field_validator("optimizer")
    @classmethod
    def _complete(cls, optimizer: dict[str, Any]) -> dict[str, Any]:
        """One of torch's with all its parameters, any other as it is."""
        if not isinstance(optimizer.get("name"), str) or not optimizer["name"]:
            raise invalid("/optimizer/name", "must be the optimizer's name, as AdamW")
        try:
            return parse_optimizer(optimizer).model_dump(mode="json")
        except ValidationError:
            _check_momentum(optimizer)
            return optimizer


def _check_momentum(optimizer: dict[str, Any]) -> None:
    """What `momentum_of` reads must be numbers."""
    betas = optimizer.get("betas")
    if betas is not None and not (isinstance(betas, list) and betas and _is_share(betas[0])):
        raise invalid(
            "/optimizer/betas", "must be a list of numbers in [0, 1), the first that of the momentum"
        )
    if optimizer.get("momentum") is not None and not _is_share(optimizer["momentum"]):
        raise invalid("/optimizer/momentum", "must be a number in [0, 1)")


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1
