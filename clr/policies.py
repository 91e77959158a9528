"""Schedules by policy with their parameters: what a request may say, checked, and what it means at any step.

A schedule is a function of the step: `schedule(step)` is the rate that update `step` uses. The formulas are
those of clr/schedules.py, one a policy, with the same parameters. Free of torch.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from itertools import accumulate
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    TypeAdapter,
    ValidationInfo,
    field_validator,
    model_validator,
)

from clr import schedules
from clr.misnamed import refuse_misnamed
from clr.schedules import Anneal

Rate = Annotated[float, Field(ge=0, le=1e6, strict=True, allow_inf_nan=False)]
Gamma = Annotated[float, Field(gt=0, le=1, strict=True, allow_inf_nan=False)]
Steps = Annotated[StrictInt, Field(ge=1, le=10**12)]
FINAL_DIVISOR = 10_000  # of base_lr: several orders of magnitude, as torch and fastai have it
TORCH: dict[str, Any] = {"pct_start": 0.3, "three_phase": False, "anneal": "cos"}  # OneCycleLR's defaults
TORCH_DIVISOR = 25  # its div_factor: of max_lr


def _is_none(value: object) -> bool:
    return value is None


class _Policy(BaseModel):
    """One policy with its parameters: frozen, comparable, picklable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    formula: ClassVar[Callable[..., float]]  # of clr/schedules.py: its parameters are the fields

    policy: str

    def __call__(self, step: int) -> float:
        """The rate that update `step` (>= 0) uses."""
        return self._lr(step)

    @cached_property
    def _lr(self) -> Callable[[int], float]:
        names = type(self).model_fields.keys() - {"policy", "preset"}
        parameters = {name: getattr(self, name) for name in names}
        return partial(type(self).formula, **parameters)

    @classmethod
    def list_required(cls, given: Mapping[str, Any]) -> list[str]:
        """The parameters that have no default, beside those that are given."""
        return [name for name, field in cls.model_fields.items() if field.is_required()]

    def phase(self, step: int) -> tuple[int, float] | None:
        """(cycle, x): the cycle counts from 1, x is 0 at its peak and 1 at its ends; None without cycles."""
        return None

    def length(self, cycles: int) -> int | None:
        """The steps of so many whole cycles; None where a policy has no end of its own."""
        return None

    def cycle_at(self, step: int) -> range | None:
        """The steps of the cycle that holds this one; None without cycles."""
        here = self.phase(step)
        if here is None:
            return None
        cycle, _ = here
        return range(self.length(cycle - 1) or 0, self.length(cycle) or 0)


class _Bounded(_Policy):
    """A policy between two rates."""

    base_lr: Rate
    max_lr: Rate

    @field_validator("max_lr")
    @classmethod
    def _above_base(cls, max_lr: float, info: ValidationInfo) -> float:
        base_lr = info.data.get("base_lr", 0.0)
        if max_lr <= base_lr:
            raise ValueError(f"must be greater than base_lr ({base_lr:g})")
        return max_lr

    def height(self, step: int) -> float:
        """How far up lr is from base_lr to max_lr, in [0, 1]; momentum is cycled opposite to it."""
        return min(1.0, max(0.0, (self(step) - self.base_lr) / (self.max_lr - self.base_lr)))


class _Cyclical(_Bounded):
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


class Decay(_Bounded):
    """The paper's control: from max_lr down to base_lr in one step_size, then base_lr."""

    formula = schedules.decay

    policy: Literal["decay"]
    step_size: Steps


class OneCycle(_Bounded):
    """One cycle, then on down to final_lr.

    Defaults: a cycle of 90 % of num_steps; with three_phase false, a peak at 30 %, and no way but down. preset: what is
    left out is as in torch's OneCycleLR, base_lr too; lr and the momentum opposite to it then equal torch's.
    """

    formula = schedules.one_cycle

    policy: Literal["one_cycle"]
    preset: Literal["torch"] | None = Field(
        default=None,
        exclude_if=_is_none,
        description="what is left out is as in torch's OneCycleLR: base_lr max_lr / 25, pct_start 0.3, two phases, cos",
    )
    num_steps: Annotated[StrictInt, Field(ge=4, le=10**12)]
    three_phase: StrictBool = True
    pct_start: Annotated[float, Field(gt=0, lt=1, strict=True)] | None = Field(
        default=None,
        exclude_if=_is_none,
        description="the peak is at pct_start * num_steps - 1, between two steps, as in torch; it tells step_size",
    )
    step_size: Steps = Field(default_factory=lambda data: _share_of(**data))
    final_lr: Rate = Field(default_factory=lambda data: data["base_lr"] / FINAL_DIVISOR)
    anneal: Anneal = "linear"

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("preset") != "torch":
            return given
        max_lr = given.get("max_lr")
        base_lr = max_lr / TORCH_DIVISOR if isinstance(max_lr, int | float) else 0.0
        return {"base_lr": base_lr} | TORCH | given

    @classmethod
    def list_required(cls, given: Mapping[str, Any]) -> list[str]:
        """The preset tells base_lr."""
        return [
            name
            for name in super().list_required(given)
            if name != "base_lr" or given.get("preset") != "torch"
        ]

    @field_validator("pct_start")
    @classmethod
    def _between_steps(cls, pct_start: float | None, info: ValidationInfo) -> float | None:
        num_steps, ways = info.data.get("num_steps"), 2 if info.data.get("three_phase", True) else 1
        if pct_start is None or num_steps is None:
            return pct_start
        lowest, highest = 1 / num_steps, (1 + (num_steps - 1) / ways) / num_steps
        if not lowest < pct_start < highest:
            raise ValueError(f"must be between {lowest:.4g} and {highest:.4g} for {num_steps} num_steps")
        return pct_start

    @field_validator("step_size")
    @classmethod
    def _leaves_steps(cls, step_size: int, info: ValidationInfo) -> int:
        if not info.data.keys() >= {"num_steps", "three_phase", "pct_start"}:
            return step_size  # one of them is wrong itself
        if info.data["pct_start"] is not None and step_size != _share_of(**info.data):
            raise ValueError("follows from pct_start: leave it out")
        num_steps = info.data.get("num_steps", 0)
        longest = (num_steps - 2) // (2 if info.data.get("three_phase", True) else 1)
        if num_steps and step_size > longest:
            raise ValueError(
                f"must be at most {longest}: the last of num_steps ({num_steps}) have to be left"
            )
        return step_size

    @field_validator("final_lr")
    @classmethod
    def _below_base(cls, final_lr: float, info: ValidationInfo) -> float:
        if final_lr > info.data.get("base_lr", final_lr):
            raise ValueError(f"must be at most base_lr ({info.data['base_lr']:g})")
        return final_lr

    def phase(self, step: int) -> tuple[int, float]:
        """(1, x); x stays 1 after the cycle."""
        if step < 0:
            raise ValueError(f"step must be >= 0, not {step}")
        up = self.step_size if self.pct_start is None else self.pct_start * self.num_steps - 1
        down = up if self.three_phase else self.num_steps - 1 - up
        return 1, (up - step) / up if step <= up else min(1.0, (step - up) / down)

    def height(self, step: int) -> float:
        """With pct_start as torch has it: on the way down it ends with the way, not where lr is back at base_lr."""
        if self.pct_start is None:
            return super().height(step)
        ends = (0.0, 1.0, 0.0, 0.0) if self.three_phase else (0.0, 1.0, 0.0)
        return schedules.one_cycle_torch(
            step, ends=ends, num_steps=self.num_steps, pct_start=self.pct_start, anneal=self.anneal
        )

    def length(self, cycles: int) -> int:
        """Its own num_steps: it has one cycle."""
        return self.num_steps

    def cycle_at(self, step: int) -> range:
        """All its steps."""
        return range(self.num_steps)


def _share_of(*, num_steps: int, three_phase: bool, pct_start: float | None, **_: Any) -> int:
    if pct_start is not None:
        return max(1, int(pct_start * num_steps - 1))
    return max(1, int((0.45 if three_phase else 0.3) * (num_steps - 1)))


class SGDR(_Bounded):
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


class Fixed(_Policy):
    """The same rate at every step."""

    formula = schedules.fixed

    policy: Literal["fixed"]
    lr: Rate


class StepDecay(_Policy):
    """lr, times gamma after every `drop_every` steps."""

    formula = schedules.step_decay

    policy: Literal["step_decay"]
    lr: Rate
    gamma: Gamma = 0.1
    drop_every: Steps


class MultistepDecay(_Policy):
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


class ExponentialDecay(_Policy):
    """lr, times gamma at each step: the paper's `exp`."""

    formula = schedules.exponential_decay

    policy: Literal["exponential_decay"]
    lr: Rate
    gamma: Gamma


class TimeDecay(_Policy):
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

UNSTAGED: dict[str, type[_Policy]] = {
    get_args(model.model_fields["policy"].annotation)[0]: model for model in get_args(get_args(Unstaged)[0])
}


class Stage(BaseModel):
    """A schedule from step `start` up to, not including, `end`; it counts its own steps from `start`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    start: Annotated[StrictInt, Field(ge=0, le=10**12)]
    end: Steps
    schedule: Unstaged


class Staged(_Policy):
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


def by_policy() -> dict[str, type[_Policy]]:
    """The model of each policy, by its name."""
    return UNSTAGED | {"staged": Staged}
