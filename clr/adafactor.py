"""torch's Adafactor updates at no more than 1/sqrt(step), whatever rate it is given: no higher one can be tested."""

import math
from dataclasses import replace
from typing import Any

from clr.bounds import Inconclusive
from clr.range_test import FEWEST_STEPS, LATE_STEPS, SCOUT_STEPS, RangeTestConfig

NAME = "Adafactor"


def stay_below_cap(config: RangeTestConfig, *, steps_before: int = 0) -> RangeTestConfig:
    """The same range test with sweeps that Adafactor follows to their end. steps_before: updates it has made already.

    Raises ValueError where start_lr or end_lr reach too high for that.
    """
    num_steps = _longest_sweep(config)
    cap = math.floor(1e6 / math.sqrt(steps_before + num_steps)) / 1e6
    for name in ("start_lr", "end_lr"):
        lr = getattr(config, name)
        if lr is not None and lr > cap:
            raise ValueError(
                f"Adafactor updates at no more than 1/sqrt(step), so {name} must be at most {cap:.3g} in sweeps of "
                f"{num_steps} steps: lower it, or take fewer num_steps"
            )
    return replace(config, end_lr=config.end_lr or cap)


def advise_further(doubt: Inconclusive, num_steps: int) -> Inconclusive:
    """A doubt with what Adafactor can do about it: a higher end_lr alone would be refused."""
    if doubt.why != "edge_not_reached":
        return doubt
    message = "Adafactor updates at no more than 1/sqrt(step): shorter sweeps reach higher"
    request = {"num_steps": max(FEWEST_STEPS, num_steps // 4), "end_lr": None}
    return replace(doubt, next_experiment={"message": message, "request": request})


def warn_of_cap(max_lr: float) -> str:
    """From when on it trains at less than max_lr."""
    most = count_steps(max_lr)
    return (
        f"Adafactor updates at no more than 1/sqrt(step): after {most:,} steps that is less than {max_lr:g}"
    )


def count_steps(lr: float) -> int:
    """How many of its first steps can use this rate."""
    return math.floor(1 / lr**2 + 1e-9)


def count_updates(optimizer: Any) -> int:
    """How many torch's Adafactor has made."""
    return max((int(state["step"]) for state in optimizer.state.values()), default=0)


def _longest_sweep(config: RangeTestConfig) -> int:
    if config.effort == "quick":
        return config.num_steps or SCOUT_STEPS
    fixed = config.start_lr is not None and config.end_lr is not None
    return max(0 if fixed else SCOUT_STEPS, config.num_steps or LATE_STEPS)
