"""What a range test recommends to a training whose schedule leaves rates or lengths out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from clr.collapse import Collapse
from clr.confirmation import Confirmation
from clr.cycles import half_cycle
from clr.policies import Schedule
from clr.records import pick_fields
from clr.training_rates import find_share, sum_rates
from clr.turn import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendedCycle:
    """What a range test recommends, for what a schedule lacks. step_size holds for these steps_per_epoch.

    turn to confirmation: as `Bounds` has them.
    """

    base_lr: float
    max_lr: float
    step_size: int | None = None
    steps_per_epoch: float | None = None
    turn: Turn | None = None
    breaks_at: float | None = None
    collapse: Collapse | None = None
    confirmation: Confirmation | None = None

    @classmethod
    def from_dict(cls, result: Mapping[str, Any]) -> Self:
        """Read the stored result of a range test that found bounds."""
        kinds: dict[str, Any] = {"turn": Turn, "collapse": Collapse, "confirmation": Confirmation}
        read = {name: kind.from_dict(result[name]) for name, kind in kinds.items() if result.get(name)}
        return cls(**pick_fields(cls, {**result, **read}))

    def suit(self, schedule: Schedule, num_steps: int) -> Self:
        """With the rates for a schedule of that length."""
        share = find_share(
            sum_rates(schedule, num_steps),
            num_steps,
            max_lr=self.max_lr,
            steps_per_epoch=self.steps_per_epoch,
            breaks_at=self.breaks_at,
            turn=self.turn,
            collapse=self.collapse,
        )
        if self.confirmation is not None and self.confirmation.settles(schedule.policy, num_steps):
            share *= self.confirmation.factor
        return replace(self, base_lr=share * self.base_lr, max_lr=share * self.max_lr)

    def own_step_size(self, steps_per_epoch: int | None) -> int | None:
        """Its step_size, where it holds for such epochs and is not just what any epoch of that length gives."""
        by_rule = self.step_size == half_cycle(steps_per_epoch)
        return None if by_rule or self.steps_per_epoch != steps_per_epoch else self.step_size
