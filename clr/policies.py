"""Schedules by policy with their parameters: what a request may say, checked, and what it means at any step.

A schedule is a function of the step: `schedule(step)` is the rate that update `step` uses. The formulas are
those of clr/schedules.py, one a policy, with the same parameters. Free of torch.
"""

from bisect import bisect_right
from functools import cached_property
from itertools import accumulate
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StrictInt, TypeAdapter, field_validator

from clr import schedules
from clr.misnamed import refuse_misnamed
from clr.one_cycle import OneCycle
from clr.policy import Bounded, Gamma, Policy, Rate, Steps


class _Cyclical(Bounded):
    step_size: Steps = Field(description="steps in half a cycle; in its rise where step_size_down is given")
    step_size_down: Steps | None = Field(default=None, description="steps of the fall; default: step_size")

    def phase(self, step: int) -> tuple[int, float]:
        """(cycle, x)."""
        return schedules.phase(step, step_size=self.step_size, step_size_down=self.step_size_down)

    def length(self, cycles: int) -> int:
        """The steps of so many cycles."""
        return cycles * (self.step_size + (self.step_size_down or self.step_size))


class Triangular(_Cyclical):
    """Straight up and straight down."""

    formula = schedules.triangular

    policy: Literal["triangular"]


class Triangular2(_Cyclical):
    """`triangular`, its height halved after each cycle."""

    formula = schedules.triangular2

    policy: Literal["triangular2"]


class ExpRange(_Cyclical):
    """`triangular`, its height times gamma at each step, as every library has it."""

    formula = schedules.exp_range

    policy: Literal["exp_range"]
    gamma: Gamma


class ExpRangePaper(_Cyclical):
    """`triangular`, both bounds times gamma at each step: the paper's own words."""

    formula = schedules.exp_range_paper

    policy: Literal["exp_range_paper"]
    gamma: Gamma


class Welch(_Cyclical):
    """Up and down along a parabola."""

    formula = schedules.welch

    policy: Literal["welch"]


class Hann(_Cyclical):
    """Up and down along a cosine."""

    formula = schedules.hann

    policy: Literal["hann"]


class Decay(Bounded):
    """The paper's control: from max_lr down to base_lr in one step_size, then base_lr."""

    formula = schedules.decay

    policy: Literal["decay"]
    step_size: Steps


class SGDR(Bounded):
    """Warm restarts: half a cosine down, then back to max_lr at once, each period t_mult times as long."""

    formula = schedules.sgdr

    policy: Literal["sgdr"]
    t_0: Steps = Field(description="steps of the first period")
    t_mult: Annotated[StrictInt, Field(ge=1, le=100)] = 1

    def phase(self, step: int) -> tuple[int, float]:
        """(period, x)."""
        return schedules.period(step, t_0=self.t_0, t_mult=self.t_mult)

    def length(self, cycles: int) -> int:
        """The steps of so many periods."""
        return schedules.periods_end(cycles, t_0=self.t_0, t_mult=self.t_mult)


class Fixed(Policy):
    """The same rate at every step."""

    formula = schedules.fixed

    policy: Literal["fixed"]
    lr: Rate


class StepDecay(Policy):
    """lr, times gamma after every `drop_every` steps."""

    formula = schedules.step_decay

    policy: Literal["step_decay"]
    lr: Rate
    gamma: Gamma = 0.1
    drop_every: Steps


class MultistepDecay(Policy):
    """lr, times gamma from each milestone on."""

    formula = schedules.multistep_decay

    policy: Literal["multistep_decay"]
    lr: Rate
    gamma: Gamma = 0.1
    milestones: tuple[Steps, ...] = Field(min_length=1, max_length=1000, description="steps, ascending")

    @field_validator("milestones")
    @classmethod
    def _ascending(cls, milestones: tuple[int, ...]) -> tuple[int, ...]:
        if list(milestones) != sorted(set(milestones)):
            raise ValueError("must ascend")
        return milestones


class ExponentialDecay(Policy):
    """lr, times gamma at each step: the paper's `exp`."""

    formula = schedules.exponential_decay

    policy: Literal["exponential_decay"]
    lr: Rate
    gamma: Gamma


class TimeDecay(Policy):
    """lr / (1 + rate * step)."""

    formula = schedules.time_decay

    policy: Literal["time_decay"]
    lr: Rate
    rate: Rate


Unstaged = Annotated[
    Triangular | Triangular2 | ExpRange | ExpRangePaper | Welch | Hann | Decay | OneCycle | SGDR
    | Fixed | StepDecay | MultistepDecay | ExponentialDecay | TimeDecay,
    Field(discriminator="policy"),
]  # fmt: skip

UNSTAGED: dict[str, type[Policy]] = {
    get_args(model.model_fields["policy"].annotation)[0]: model for model in get_args(get_args(Unstaged)[0])
}


class Stage(BaseModel):
    """A schedule from step `start` up to, not including, `end`; it counts its own steps from `start`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: Annotated[StrictInt, Field(ge=0, le=10**12)]
    end: Steps
    schedule: Unstaged


class Staged(Policy):
    """One schedule after another (the paper's Table 2); after its end the last one goes on."""

    policy: Literal["staged"]
    stages: tuple[Stage, ...] = Field(min_length=1, max_length=100)

    @field_validator("stages")
    @classmethod
    def _in_order(cls, stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
        expected = 0
        for index, stage in enumerate(stages):
            if stage.start != expected:
                raise ValueError(f"stage {index} must start at {expected}, where the one before it ends")
            if stage.end <= stage.start:
                raise ValueError(f"stage {index} must end after its start ({stage.start})")
            expected = stage.end
        return stages

    def __call__(self, step: int) -> float:
        """The rate of the stage that holds the step."""
        stage = self._at(step)
        return stage.schedule(step - stage.start)

    def phase(self, step: int) -> tuple[int, float] | None:
        """(cycle, x), the cycles of the stages before counted with; None in a stage without cycles."""
        stage = self._at(step)
        here = stage.schedule.phase(step - stage.start)
        return None if here is None else (here[0] + self._cycles_before[self._index(step)], here[1])

    @cached_property
    def _cycles_before(self) -> list[int]:
        """The cycles of all stages before each stage."""
        ends = [stage.schedule.phase(stage.end - stage.start - 1) for stage in self.stages]
        return [0, *accumulate(0 if last is None else last[0] for last in ends)]

    def length(self, cycles: int) -> int:
        """Where the last stage ends."""
        return self.stages[-1].end

    def cycle_at(self, step: int) -> range | None:
        """The steps of the cycle that holds this one, or what its stage leaves of them."""
        stage = self._at(step)
        inside = stage.schedule.cycle_at(step - stage.start)
        if inside is None:
            return None
        end = inside.stop + stage.start
        return range(inside.start + stage.start, end if stage is self.stages[-1] else min(end, stage.end))

    def _at(self, step: int) -> Stage:
        return self.stages[self._index(step)]

    def _index(self, step: int) -> int:
        if step < 0:
            raise ValueError(f"step must be >= 0, not {step}")
        return bisect_right(self.stages, step, key=lambda stage: stage.start) - 1


Schedule = Annotated[Unstaged | Staged, Field(discriminator="policy")]
_ADAPTER: TypeAdapter[Schedule] = TypeAdapter(Schedule)


def parse_schedule(spec: dict[str, Any]) -> Schedule:
    """Check {"policy", its parameters}. Raises pydantic's ValidationError naming the parameter."""
    refuse_misnamed(spec, kind="schedule", tag="policy", models=by_policy())
    stages = spec.get("stages") if isinstance(spec, dict) else None
    for index, stage in enumerate(stages if isinstance(stages, list | tuple) else ()):
        if isinstance(stage, dict):
            path = ("staged", "stages", index, "schedule")
            refuse_misnamed(stage.get("schedule"), kind="schedule", tag="policy", models=UNSTAGED, path=path)
    return _ADAPTER.validate_python(spec)


def by_policy() -> dict[str, type[Policy]]:
    """The model of each policy, by its name."""
    return UNSTAGED | {"staged": Staged}
