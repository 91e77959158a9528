"""How many cycles of what length fit a budget, by the paper's rules of thumb (section 3.2, and its conclusions)."""

import math
from dataclasses import dataclass

FEWEST_EPOCHS, MOST_EPOCHS = 2, 10  # of half a cycle: 2 to 10 epochs, 8 only slightly better than 2
FEWEST_STEPS = 20  # of half a cycle, however few an epoch has: twice what a momentum of 0.9 remembers
DEFAULT_STEP_SIZE = 2000  # where the epoch is unknown: the paper's CIFAR-10 value
SLACK = 0.01  # of a cycle: epochs are not whole steps
CYCLES = 4  # at least 3, 4 or more are better


@dataclass(frozen=True, slots=True)
class Cycles:
    """num_cycles whole cycles, each 2 x step_size steps."""

    step_size: int
    num_cycles: int

    @property
    def num_steps(self) -> int:
        """Of all of them; at most the budget, unless that is a single step."""
        return 2 * self.step_size * self.num_cycles


def count_steps(num_epochs: float, *, steps_per_epoch: float) -> int:
    """So many epochs in steps, one at least."""
    return max(1, round(num_epochs * steps_per_epoch))


def half_cycle(steps_per_epoch: float | None, *, within: int | None = None) -> int:
    """The step_size to recommend: 2 epochs, at least 20 steps, or fewer where `within`, a budget, holds no such cycle.

    steps_per_epoch: None where unknown.
    """
    if steps_per_epoch is None:
        return DEFAULT_STEP_SIZE
    floor = FEWEST_STEPS if within is None else min(FEWEST_STEPS, within // 2)
    return max(1, floor, round(FEWEST_EPOCHS * steps_per_epoch))


def short_epoch(steps_per_epoch: float | None, step_size: int) -> list[str]:
    """A warning where this step_size is longer than the rule's 2 epochs, as an epoch is a few steps."""
    if steps_per_epoch is None or round(FEWEST_EPOCHS * steps_per_epoch) >= min(step_size, FEWEST_STEPS):
        return []
    return [
        f"{FEWEST_EPOCHS} epochs are only {FEWEST_EPOCHS * steps_per_epoch:.3g} steps, so step_size is {step_size}; "
        "a smaller batch_size gives an epoch more steps"
    ]


def cycles_for(num_steps: int, *, steps_per_epoch: float | None) -> Cycles:
    """Four cycles of the budget (>= 1 step); fewer where half a cycle would be shorter than 2 epochs or 20 steps, more
    where it would be longer than five times that. steps_per_epoch: None where unknown."""
    shortest = 2 * max(FEWEST_EPOCHS * (steps_per_epoch or 0), FEWEST_STEPS)
    longest = shortest * MOST_EPOCHS / FEWEST_EPOCHS if steps_per_epoch else math.inf
    most, fewest = int(num_steps / shortest + SLACK), math.ceil(num_steps / longest)
    num_cycles = max(1, fewest, min(CYCLES, most))
    return Cycles(max(1, num_steps // (2 * num_cycles)), num_cycles)
