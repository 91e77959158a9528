"""What comes of a training job: how its cycles ended, the last and the best of them.

The worker stores it as JSON, the API answers it, the client reads it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from clr.records import pick_fields
from clr.sweep import HeldOut

if TYPE_CHECKING:
    from clr.training_job import TrainingPlan


@dataclass(frozen=True, slots=True)
class CycleEnd:
    """A look at the held-out set after `step`, which ended this cycle (from 1).

    loss: None where it is not finite. accuracy: in [0, 1], None where there are no classes.
    """

    cycle: int
    step: int
    loss: float | None
    accuracy: float | None

    @classmethod
    def of(cls, cycle: int, look: HeldOut) -> Self:
        """The end of a cycle, by the look after its last update."""
        return cls(cycle, look.step, look.loss if math.isfinite(look.loss) else None, look.accuracy)

    @property
    def score(self) -> tuple[float, float]:
        """Higher is better: accuracy where there is one, then the loss, negated."""
        return self.accuracy or 0.0, -math.inf if self.loss is None else -self.loss


class CycleEnds:
    """The cycle ends seen so far: the last, the best, and whether to stop early.

    patience: so many cycle ends in a row that are not better than the best stop the run; None never.
    """

    def __init__(self, patience: int | None = None) -> None:
        self._patience = patience
        self._since_best = 0
        self.last: CycleEnd | None = None
        self.best: CycleEnd | None = None

    def add(self, end: CycleEnd) -> bool:
        """Take the next; whether it is the best."""
        self.last = end
        if end.loss is not None and (self.best is None or end.score > self.best.score):
            self.best, self._since_best = end, 0
            return True
        self._since_best += 1
        return False

    @property
    def stale(self) -> bool:
        """Whether the run should stop here."""
        return self._patience is not None and self._since_best >= self._patience


def list_ends(plan: TrainingPlan, looks: Iterable[HeldOut]) -> Iterator[CycleEnd]:
    """The ends of the cycles of a plan that these looks saw."""
    by_step = {look.step: look for look in looks}
    for number, cycle in plan.cycles():
        if cycle[-1] in by_step:
            yield CycleEnd.of(number, by_step[cycle[-1]])


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """What came of a training job.

    schedule: {"policy", every parameter as trained}. num_steps: of the plan. steps_per_epoch: None where unknown.
    final, best: cycle ends, None where no cycle was finished; the best has the highest accuracy, or else the lowest
    loss.
    """

    schedule: dict[str, Any]
    num_steps: int
    steps_per_epoch: int | None
    stopped_early: bool
    final: CycleEnd | None
    best: CycleEnd | None

    @classmethod
    def of(cls, plan: TrainingPlan, ends: CycleEnds, *, stopped_early: bool) -> Self:
        """Of a training along this plan that saw these ends."""
        return cls(
            schedule=plan.schedule.model_dump(mode="json"),
            num_steps=plan.num_steps,
            steps_per_epoch=plan.steps_per_epoch,
            stopped_early=stopped_early,
            final=ends.last,
            best=ends.best,
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote; more keys are ignored."""
        known = pick_fields(cls, data)
        for name in ("final", "best"):
            known[name] = known[name] and CycleEnd(**pick_fields(CycleEnd, known[name]))
        return cls(**known)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)
