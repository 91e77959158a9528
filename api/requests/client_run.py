"""What a caller says of the runs that its own process measures: asks for one, reports of it, ends it."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, FiniteFloat, StrictBool, StrictInt, model_validator

from api.errors import invalid
from api.examples.client_runs import ASK_REQUESTS, POINTS_REQUESTS
from api.pointers import pointer_to
from api.requests.body import Body, Text
from api.requests.looks import Looks, Number, nan_for_null
from clr.report import Report

MOST_ROWS = 1000
Token = Annotated[Text, Field(min_length=1, max_length=200, description="of the lease, as ask gave it")]
StepsPerEpoch = Annotated[FiniteFloat | None, Field(gt=0, le=1e12, description="updates in an epoch")]


class AskRequest(Body):
    """Who asks what to measure next."""

    model_config = ConfigDict(json_schema_extra={"examples": ASK_REQUESTS})

    client_id: Text = Field(
        min_length=1, max_length=200, description="who asks: the same, and only the same, after a restart"
    )
    instead_of: Text | None = Field(
        default=None,
        max_length=200,
        description="the client_id of another caller that is gone for sure: its lease is not waited for",
    )
    restart: StrictBool = Field(
        default=False, description="forget what was received of the open run: its weights are gone"
    )


class AskSweepRequest(AskRequest):
    """Who asks for the next sweep."""

    plan: dict[str, Any] | None = Field(
        default=None,
        description="of a sweep that was measured already, in the words of `sweep` in the answer: 409 plan_differs "
        "unless it is the one that comes next",
    )


class AskTrainingRequest(AskRequest):
    """Who asks for the rates of a training, and where it goes on."""

    from_step: StrictInt | None = Field(
        default=None, ge=0, description="of the caller's own checkpoint; default: where the last report ended"
    )


class PointsRequest(Body):
    """Measured rows in columns, at most 1,000: losses of the steps from `from_step` on, and looks."""

    model_config = ConfigDict(json_schema_extra={"examples": POINTS_REQUESTS})

    token: Token
    from_step: StrictInt = Field(ge=0, le=2**53, description="of the first loss")
    loss: list[Number | None] = Field(
        default=[], max_length=MOST_ROWS, description="of each batch before its update; null where not finite"
    )
    lr: list[Number] | None = Field(
        default=None,
        max_length=MOST_ROWS,
        description="the rates that were used, only to be compared with the plan",
    )
    held_out: Looks | None = None

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        if self.lr is not None and len(self.lr) != len(self.loss):
            raise invalid("/lr", f"has {len(self.lr)} values, loss has {len(self.loss)}: one of each step")
        if self.held_out is not None:
            _check_looks(self.held_out)
        return self

    def report(self) -> Report:
        """As the science reads it."""
        looks = self.held_out or Looks(step=[], loss=[])
        shares = looks.accuracy or [None] * len(looks.step)
        rows = zip(looks.step, looks.loss, shares, strict=True)
        return Report(
            from_step=self.from_step,
            loss=[nan_for_null(loss) for loss in self.loss],
            lr=self.lr,
            looks=[(step, nan_for_null(loss), share) for step, loss, share in rows],
        )


class FinishRequest(Body):
    """A run is over: all of it was reported."""

    token: Token
    steps_per_epoch: StepsPerEpoch = None


def _check_looks(looks: Looks) -> None:
    for name in ("loss", "accuracy"):
        values = getattr(looks, name)
        if values is not None and len(values) != len(looks.step):
            raise invalid(
                pointer_to("held_out", name), f"has {len(values)} values, step has {len(looks.step)}"
            )
    if len(looks.step) > MOST_ROWS:
        raise invalid("/held_out/step", f"has {len(looks.step)} values: at most {MOST_ROWS} in one report")
    for index, step in enumerate(looks.step):
        if step < 0 or (index and step <= looks.step[index - 1]):
            raise invalid(pointer_to("held_out", "step", index), "must rise from look to look, from 0")
    for index, share in enumerate(looks.accuracy or []):
        if share is not None and not 0 <= share <= 1:
            raise invalid(
                pointer_to("held_out", "accuracy", index),
                f"must lie in [0, 1], got {share:g}: the share that is right, not percent",
            )
