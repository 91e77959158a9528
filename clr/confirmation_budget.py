"""How long a confirmation inside a range test may take: the length of a run, and how many there are."""

from collections.abc import Mapping
from typing import Any

from clr.cycles import count_steps

NUM_CYCLES = 2  # of each run, where no training is told
STEP_SIZE = 80  # with two cycles nearly as long as a sweep of the test, however few steps an epoch has
NUM_STEPS = 2 * STEP_SIZE * NUM_CYCLES  # of such a run
LONGEST = 5120  # steps of a run for a training that is told: nothing longer was measured
USUAL_RUNS, MOST_RUNS = 4, 6


def run_steps(training: Mapping[str, Any] | None, steps_per_epoch: float | None = None) -> int:
    """Of each run of a confirmation for a training, {"policy", and "num_steps" or "num_epochs"}: as many as it has,
    up to `LONGEST`; the most where nobody knows yet how long an epoch is."""
    if training is None:
        return NUM_STEPS
    if (steps := training.get("num_steps")) is None:
        if steps_per_epoch is None:
            return LONGEST
        steps = count_steps(training["num_epochs"], steps_per_epoch=steps_per_epoch)
    return min(int(steps), LONGEST)
