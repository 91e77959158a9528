"""One cycle and then further down, as Smith has it and as torch has it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictInt, ValidationInfo, field_validator, model_validator

from clr import schedules
from clr.policy import Bounded, Rate, Steps
from clr.schedules import Anneal

FINAL_DIVISOR = 10_000  # of base_lr: several orders of magnitude, as torch and fastai have it
TORCH: dict[str, Any] = {"pct_start": 0.3, "three_phase": False, "anneal": "cos"}  # OneCycleLR's defaults
TORCH_DIVISOR = 25  # its div_factor: of max_lr


def _is_none(value: object) -> bool:
    return value is None


class OneCycle(Bounded):
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
