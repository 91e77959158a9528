"""Who trains in a confirmation, cycles around the recommended bounds and what stands beside them, and how it ran."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from clr.bounds import Bounds
from clr.confirmation_budget import MOST_RUNS, NUM_STEPS
from clr.metric import Metric
from clr.policies import Schedule, parse_schedule
from clr.sweep import HeldOut, Measured, read_columns
from clr.training_job import TrainingPlan

FACTORS = {"max_lr / 2": 0.5, "max_lr": 1.0, "max_lr x 2": 2.0}  # of both bounds
OURS = "max_lr"
DOUBLINGS = MOST_RUNS - 2  # of max_lr, either way, that may be tried


def label_of(power: int) -> str:
    """max_lr times two to this power, as runs are called."""
    return OURS + (f" x {2**power}" if power > 0 else f" / {2**-power}" if power else "")


POWERS = {label_of(power): power for power in range(-DOUBLINGS, DOUBLINGS + 1)}


@dataclass(frozen=True, slots=True)
class Contender:
    """What is compared. schedule: {"policy", its rates}, the rest told by the budget."""

    label: str
    schedule: dict[str, Any]


def list_contenders(bounds: Bounds) -> list[Contender]:
    """Of `POST /confirmations`: cycles within half, the whole and double the bounds, the constant rate, one cycle."""
    base_lr, max_lr = bounds.base_lr, bounds.max_lr
    cycles = [
        Contender(label, {"policy": "triangular", "base_lr": factor * base_lr, "max_lr": factor * max_lr})
        for label, factor in FACTORS.items()
    ]
    return [
        *cycles,
        Contender("constant_lr", {"policy": "fixed", "lr": bounds.constant_lr}),
        Contender("one_cycle", {"policy": "one_cycle", "base_lr": base_lr, "max_lr": max_lr}),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """One training run: a contender with one seed. schedule: {"policy", every parameter}.

    sweep: names the contender, so that (sweep, seed) names a run among all passes of its range test.
    """

    label: str
    schedule: dict[str, Any]
    shape: str
    sweep: int
    seed: int
    num_steps: int = NUM_STEPS
    phase: Literal["confirm"] = "confirm"

    def make_schedule(self) -> Schedule:
        """What it trains under."""
        return parse_schedule(self.schedule)

    def looks_after(self, step: int) -> bool:
        """Whether the held-out set is looked at after this step, where nobody draws the training: at its end."""
        return step == self.num_steps - 1

    def training(self, *, steps_per_epoch: int | None) -> TrainingPlan:
        """The plan that the run follows; it looks at the held-out set where cycles end, and at its end."""
        return TrainingPlan(
            schedule=self.make_schedule(),
            step_size=self.num_steps,
            num_steps=self.num_steps,
            steps_per_epoch=steps_per_epoch,
            eval_every=self.num_steps,
        )


@dataclass(frozen=True, slots=True)
class ContenderRun(Measured[RunPlan]):
    """One run as it was measured."""

    @classmethod
    def from_columns(cls, plan: Mapping[str, Any], series: Mapping[str, Mapping[str, Any]]) -> Self:
        """Read a stored run, as `Sweep.from_columns` reads a sweep."""
        return cls(RunPlan(**plan), *read_columns(series))

    @property
    def final(self) -> HeldOut | None:
        """The look after the last step; None where the run diverged."""
        last = self.held_out[-1] if self.held_out else None
        ended = last is not None and last.step == self.plan.num_steps - 1 and math.isfinite(last.loss)
        return last if ended else None


def pick_metric(bounds: Bounds) -> Metric:
    """What runs are compared by, as the sweeps were: held-out accuracy, or the loss where there are no classes."""
    return "accuracy" if bounds.metric == "accuracy" else "loss"
