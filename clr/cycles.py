"""How many cycles of what length fit a budget, by the paper's rules of thumb (section 3.2, and its conclusions)."""

import math
from dataclasses import dataclass

FEWEST_EPOCHS, MOST_EPOCHS = 2, 10  # of half a cycle: 2 to 10 epochs, 8 only slightly better than 2
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


def cycles_for(num_steps: int, *, steps_per_epoch: float) -> Cycles:
    """Four cycles of the budget (>= 1 step); fewer where half a cycle would be shorter than 2 epochs, more where it
    would be longer than 10."""
    shortest, longest = 2 * FEWEST_EPOCHS * steps_per_epoch, 2 * MOST_EPOCHS * steps_per_epoch
    most, fewest = int(num_steps / shortest + SLACK), math.ceil(num_steps / longest)
    num_cycles = max(1, fewest, min(CYCLES, most))
    return Cycles(max(1, num_steps // (2 * num_cycles)), num_cycles)
