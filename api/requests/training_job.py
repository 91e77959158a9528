"""What a request for training may say: its schedule, its budget, its ways; checked as far as can be known."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    FiniteFloat,
    StrictBool,
    StrictInt,
    ValidationError,
    field_validator,
    model_validator,
)

from api.errors import invalid, invalid_at
from api.examples.client_runs import CLIENT_TRAINING_JOB_REQUESTS
from api.examples.training_jobs import TRAINING_JOB_REQUESTS
from api.pointers import pointer_to
from api.requests.body import Body, Text
from api.requests.client import ClientRequest
from api.requests.workload import Name, Priority, Seed, Tags, Timeout, WorkloadRequest
from clr.partial_schedules import check_partial, lacks_rates
from clr.policies import by_policy
from clr.recommended_cycle import RecommendedCycle
from clr.training_job import (
    BudgetRefused,
    Precision,
    TrainingConfig,
    TrainingPlan,
    plan_training,
)

DAY_S = 86_400.0
BUDGETS = ("num_cycles", "num_steps", "num_epochs")
STAND_IN_EPOCHS = (
    97,
    1009,
)  # steps: primes, so that no cycle ends with both by chance; what both warn of is certain
STAND_IN_CYCLE = RecommendedCycle(base_lr=0.001, max_lr=0.01)

SCHEDULE = """a policy with its parameters, as for /schedules/preview; rates that are left out come from a range
test, step_size from step_size_epochs, gamma and the like from the budget"""


def check_schedule(schedule: Mapping[str, Any], *path: object) -> None:
    """Raise a 422 problem for what can be seen to be wrong in the schedule at `path` of the body."""
    try:
        check_partial(schedule)
    except ValidationError as error:
        raise invalid_at(error, dict(schedule), *path) from None
    required = by_policy()[schedule["policy"]].list_required(schedule)
    for rate, partner in (("base_lr", "max_lr"), ("max_lr", "base_lr")):
        if rate in schedule and partner in required and partner not in schedule:
            raise invalid(pointer_to(*path, partner), f"must be given with {rate}, or both left out")


class Budget(Body):
    """How long to train: one of the three, or nothing."""

    num_cycles: StrictInt | None = Field(default=None, ge=1, le=1_000_000, description="default: 4")
    num_steps: StrictInt | None = Field(default=None, ge=1, le=10**12)
    num_epochs: FiniteFloat | None = Field(default=None, gt=0, le=1e9, strict=True)

    @model_validator(mode="after")
    def _check_budget(self) -> Self:
        names = [name for name in BUDGETS if getattr(self, name) is not None]
        if len(names) > 1:
            raise invalid(f"/{names[1]}", f"give one of {', '.join(BUDGETS)}, not {' and '.join(names)}")
        return self


class PlanOptions(Budget):
    """How a schedule fits its budget, whoever trains."""

    step_size_epochs: FiniteFloat | None = Field(
        default=None,
        gt=0,
        le=100_000,
        strict=True,
        description="half a cycle in epochs, where the schedule has no step_size; default 2 (the paper: 2 to 10)",
    )
    eval_every: StrictInt | None = Field(
        default=None,
        ge=1,
        description="steps between looks at the held-out set; default: about 100 looks. Cycle ends come on top",
    )


class TrainingOptions(PlanOptions):
    """How a worker trains, whatever the schedule."""

    round_to_cycles: StrictBool = Field(
        default=True, description="false refuses a budget that ends inside a cycle instead of rounding it"
    )
    patience: StrictInt | None = Field(
        default=None,
        ge=1,
        description="stop after so many cycle ends in a row without a new best; default: never",
    )
    accumulation_steps: StrictInt = Field(default=1, ge=1, le=4096, description="batches of one step")
    clip_grad_norm: FiniteFloat | None = Field(
        default=None, gt=0, strict=True, description="largest 2-norm of the gradient"
    )
    precision: Precision = Field(default="float32", description="bfloat16: under torch's autocast")
    timeout_s: Timeout = DAY_S


class TrainingJobRequest(TrainingOptions, WorkloadRequest):
    """A training job; a minimal one runs a range test first and then trains inside its bounds."""

    model_config = ConfigDict(json_schema_extra={"examples": TRAINING_JOB_REQUESTS})

    driver: Literal["worker"] = Field(default="worker", description="who trains: a worker of the service")
    workload: Text | None = Field(  # type: ignore[assignment]
        default=None, max_length=200, description="a name of GET /workloads; default: that of range_test_id"
    )
    schedule: dict[str, Any] = Field(default={"policy": "triangular"}, description=SCHEDULE)
    range_test_id: str | None = Field(
        default=None, description="where rates come from; what is left out of the workload is as it was there"
    )
    seed: Seed = 0
    cycle_momentum: StrictBool = Field(
        default=False, description="cycle momentum, or Adam's beta1, opposite to the rate"
    )
    base_momentum: float = Field(default=0.85, gt=0, lt=1, strict=True, description="at max_lr")
    max_momentum: float = Field(default=0.95, gt=0, lt=1, strict=True, description="at base_lr")

    @field_validator("schedule")
    @classmethod
    def _check_schedule(cls, schedule: dict[str, Any]) -> dict[str, Any]:
        check_schedule(schedule, "schedule")
        return schedule

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if self.workload is None and self.range_test_id is None:
            raise invalid("/workload", "must be given, or a range_test_id")
        if self.base_momentum > self.max_momentum:
            raise invalid("/max_momentum", f"must be at least base_momentum ({self.base_momentum:g})")
        if self.num_cycles is not None and {"stages", "num_steps"} & set(self.schedule):
            raise invalid("/num_cycles", f"{self.schedule['policy']} has an end of its own: leave it out")
        bounded = "max_lr" in by_policy()[self.schedule["policy"]].model_fields
        if self.cycle_momentum and not bounded:
            raise invalid("/cycle_momentum", f"{self.schedule['policy']} has no bounds to be opposite to")
        return self


class ClientTrainingJobRequest(PlanOptions, ClientRequest):
    """A training that the caller's own process runs, at the rates that `ask` gives it."""

    model_config = ConfigDict(json_schema_extra={"examples": CLIENT_TRAINING_JOB_REQUESTS})

    schedule: dict[str, Any] = Field(default={"policy": "triangular"}, description=SCHEDULE)
    range_test_id: str | None = Field(
        default=None, description="that found bounds, for the rates that the schedule lacks"
    )
    seed: Seed = 0

    @model_validator(mode="after")
    def _check_schedule(self) -> Self:
        check_schedule(self.schedule, "schedule")
        if lacks_rates(self.schedule) and self.range_test_id is None:
            raise invalid("/schedule", "lacks rates: give base_lr and max_lr, or a range_test_id")
        return self


class ResumeRequest(Budget):
    """How much longer to train."""

    timeout_s: Timeout = DAY_S
    priority: Priority = "normal"
    name: Name = None
    tags: Tags = Field(default=[])


def foresee_warnings(config: Mapping[str, Any], *, max_steps: int) -> list[str]:
    """What a job with this config will warn of, as far as that does not depend on its steps per epoch.

    Raises a 422 problem for a budget that is refused whatever they are.
    """
    budget = next((name for name in BUDGETS if config[name] is not None), "num_cycles")
    warnings, refusals = [], []
    for steps_per_epoch in STAND_IN_EPOCHS:
        try:
            plan = _plan(config, steps_per_epoch, max_steps=max_steps)
        except BudgetRefused as error:
            refusals.append(str(error))
        else:
            warnings.append(list(plan.warnings))
    if not warnings:
        alike = len(set(refusals)) == 1
        raise invalid(f"/{budget}", refusals[0] if alike else "it does not end with whole cycles")
    return warnings[0] if not refusals and warnings[0] == warnings[1] else []


def find_num_steps(config: Mapping[str, Any]) -> int | None:
    """How many steps a job with this config will train; None where that depends on its steps per epoch."""
    try:
        first, second = (_plan(config, steps_per_epoch) for steps_per_epoch in STAND_IN_EPOCHS)
    except BudgetRefused:  # with epochs of one of these lengths
        return None
    steps = first.num_steps - first.first_step
    return steps if second.num_steps == first.num_steps else None


def describe_length(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """A job with this config as the `for` of a range test: its policy, and its length in steps or in epochs of batches.

    None where nobody can say how long it is.
    """
    policy = config["schedule"]["policy"]
    if (num_steps := find_num_steps(config)) is not None:
        return {"policy": policy, "num_steps": num_steps}
    epoch = max(STAND_IN_EPOCHS)
    try:
        num_steps = _plan(config, epoch).num_steps
    except BudgetRefused:
        return None
    return {"policy": policy, "num_epochs": num_steps / epoch / config["accumulation_steps"]}


def _plan(config: Mapping[str, Any], steps_per_epoch: int, *, max_steps: int = 10**12) -> TrainingPlan:
    """What it means with so many steps an epoch. Raises `BudgetRefused`."""
    recommended = STAND_IN_CYCLE if lacks_rates(config["schedule"]) else None
    training = TrainingConfig.from_dict(config)
    return plan_training(
        training, steps_per_epoch=steps_per_epoch, recommended=recommended, max_steps=max_steps
    )
