"""What every policy is: parameters that are checked, and a rate at every step. Those there are: clr/policies.py."""

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationInfo, field_validator

Rate = Annotated[float, Field(ge=0, le=1e6, strict=True, allow_inf_nan=False)]
Gamma = Annotated[float, Field(gt=0, le=1, strict=True, allow_inf_nan=False)]
Steps = Annotated[StrictInt, Field(ge=1, le=10**12)]


class Policy(BaseModel):
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


class Bounded(Policy):
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
