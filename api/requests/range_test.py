"""What a request for a range test may say."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StrictInt, ValidationError, model_validator

from api.errors import invalid
from api.examples.client_runs import CLIENT_RANGE_TEST_REQUESTS
from api.examples.range_tests import RANGE_TEST_REQUESTS
from api.requests.body import Text, refuse_unknown
from api.requests.client import ClientRequest
from api.requests.workload import Seed, Timeout, WorkloadRequest
from clr.confirmation_budget import LONGEST
from clr.partial_schedules import STAND_INS, complete
from clr.probe import MOST_STEPS as PROBE_STEPS
from clr.range_test import (
    FEWEST_STEPS,
    HIGHEST_LR,
    LOWEST_LR,
    MOST_SEEDS,
    SCOUT_END,
    SCOUT_START,
)
from clr.refusals import in_words
from clr.sweep import Effort

MOST_STEPS = 100_000  # of a sweep that a caller measures: each report goes through what came before

LearningRate = Annotated[FiniteFloat, Field(ge=LOWEST_LR, le=HIGHEST_LR, strict=True)]


class TrainingAhead(BaseModel):
    """What the bounds are for: a policy, and a budget in steps or epochs."""

    policy: Text = Field(default="triangular", description="as triangular2 or one_cycle")
    num_steps: StrictInt | None = Field(default=None, ge=1, le=10**12)
    num_epochs: FiniteFloat | None = Field(default=None, gt=0, le=1e9, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _check_names(cls, data: Any) -> Any:
        if isinstance(data, dict):
            refuse_unknown(data, cls.model_fields, "for")
        return data

    @model_validator(mode="after")
    def _check(self) -> "TrainingAhead":
        if (self.num_steps is None) == (self.num_epochs is None):
            raise invalid("/for", "give num_steps or num_epochs, one of them")
        try:
            complete({"policy": self.policy}, **STAND_INS, num_steps=self.num_steps or 10**9)
        except ValidationError as error:
            raise invalid("/for/policy", in_words(error).removeprefix("policy: ")) from None
        return self


class RangeTestOptions(BaseModel):
    """How to test, whoever measures."""

    seed: Seed = 0
    num_seeds: StrictInt = Field(
        default=3, ge=1, le=MOST_SEEDS, description="seeds seed .. seed + num_seeds - 1"
    )
    start_lr: LearningRate | None = Field(default=None, description="of the test sweeps; default: chosen")
    end_lr: LearningRate | None = Field(default=None, description="of the test sweeps; default: chosen")
    num_steps: StrictInt | None = Field(
        default=None, ge=FEWEST_STEPS, description="of each test sweep; default: chosen"
    )
    effort: Effort = Field(
        default="standard",
        description="quick: one exponential sweep of one seed; thorough: then also trainings around the rates, two "
        f"cycles or what `for` tells up to {LONGEST:,} steps, which confirm or move them",
    )
    for_: TrainingAhead | None = Field(
        default=None,
        alias="for",
        description="a training: `/bounds` then answers its rates, as `for_budget`; where it is long, or may "
        f"overfit and no sweep tells, a probe or two, of up to {PROBE_STEPS:,} steps in all, are measured",
    )

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        start_lr, end_lr = self.start_lr or SCOUT_START, self.end_lr or SCOUT_END
        if start_lr < end_lr:
            return self
        if self.end_lr is None:
            raise invalid("/start_lr", f"must be less than {SCOUT_END:g} where no end_lr is given")
        if self.start_lr is None:
            raise invalid("/end_lr", f"must be greater than {SCOUT_START:g} where no start_lr is given")
        raise invalid("/end_lr", f"must be greater than start_lr ({start_lr:g})")

    @model_validator(mode="after")
    def _check_quick(self) -> Self:
        if self.effort == "quick":
            if "num_seeds" in self.model_fields_set and self.num_seeds != 1:
                raise invalid("/num_seeds", "must be 1, or left out, with effort quick")
            self.num_seeds = 1
        return self


class RangeTestRequest(RangeTestOptions, WorkloadRequest):
    """A range test; everything but `workload` has a default."""

    model_config = ConfigDict(json_schema_extra={"examples": RANGE_TEST_REQUESTS})

    driver: Literal["worker"] = Field(default="worker", description="who measures: a worker of the service")
    timeout_s: Timeout = 3600.0


class ClientRangeTestRequest(RangeTestOptions, ClientRequest):
    """A range test that the caller's own process measures, sweep by sweep as `ask` gives them."""

    model_config = ConfigDict(json_schema_extra={"examples": CLIENT_RANGE_TEST_REQUESTS})

    num_steps: StrictInt | None = Field(
        default=None, ge=FEWEST_STEPS, le=MOST_STEPS, description="of each test sweep; default: chosen"
    )
    effort: Literal["quick", "standard"] = Field(
        default="standard", description="quick: one exponential sweep of one seed"
    )
