"""The rates for one schedule of one length: the range test's, or lower where so long a training would overfit."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from clr.metric import SweepMetric
from clr.turn import Turn

if TYPE_CHECKING:
    from clr.policies import Schedule

Basis = Literal["edge", "turn", "unknown"]

LONGEST_MEASURED = 5120  # steps, in docs/bounds.md, where accuracy decides
EXACT = 4096  # steps from the first, summed one by one: there decays are steep
SAMPLES = 4096  # of the steps after those
GOLDEN = (5**0.5 - 1) / 2  # turns after which samples and cycles never keep step


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRates:
    """base_lr and max_lr (> 0) for `num_steps` of a policy, and what they rest on. constant_lr: their geometric mean.

    basis: "edge", the range test's rates, which such a training bears; "turn", lower ones, as it would overfit with
    those; "unknown", the range test's rates, though nobody saw a training go so far.
    """

    policy: str
    num_steps: int
    base_lr: float
    max_lr: float
    constant_lr: float
    basis: Basis
    reason: str


def find_training_rates(
    make: Callable[[float], "Schedule"],
    *,
    num_steps: int,
    base_lr: float,
    max_lr: float,
    metric: SweepMetric,
    turn: Turn | None,
) -> TrainingRates:
    """make: the schedule with these bounds, times a factor. Raises what `make` raises."""
    schedule = make(1.0)
    rate_sum = sum_rates(schedule, num_steps)
    factor = find_share(rate_sum, turn)
    basis, reason = _explain(rate_sum, num_steps, metric, turn)
    return TrainingRates(
        policy=schedule.policy,
        num_steps=num_steps,
        base_lr=factor * base_lr,
        max_lr=factor * max_lr,
        constant_lr=factor * math.sqrt(base_lr * max_lr),
        basis=basis,
        reason=reason,
    )


def find_share(rate_sum: float, turn: Turn | None) -> float:
    """The factor in (0, 1] that keeps a schedule of this sum from going further than the turn."""
    if turn is None or turn.rate_sum is None:
        return 1.0
    return min(1.0, turn.rate_sum / rate_sum)


def sum_rates(schedule: "Schedule", num_steps: int) -> float:
    """Of the first `num_steps` updates; from samples where they are many, one at some place in each equal stretch."""
    exact, later = min(num_steps, EXACT), max(0, num_steps - EXACT)
    count = min(later, SAMPLES)
    places = (exact + int((index + index * GOLDEN % 1) * later / count) for index in range(count))
    return sum(map(schedule, range(exact))) + sum(map(schedule, places)) * later / max(1, count)


def _explain(rate_sum: float, num_steps: int, metric: SweepMetric, turn: Turn | None) -> tuple[Basis, str]:
    if metric == "accuracy":
        if num_steps <= LONGEST_MEASURED:
            return (
                "edge",
                "where accuracy decides, all our tasks but one bore the range test's rates at such lengths",
            )
        return "unknown", f"where accuracy decides, nothing over {LONGEST_MEASURED:,} steps was measured"
    if metric == "loss":
        return "unknown", "without a held-out set nobody sees where training on overfits: give one"
    if turn is None:
        return (
            "unknown",
            "this range test was read before rates took the length into account: analyse it again",
        )
    if turn.rate_sum is not None and rate_sum > turn.rate_sum:
        return "turn", (
            f"the held-out loss turned where the rates had summed to {turn.rate_sum:.3g}, while the training loss fell "
            f"on; within the bounds this schedule sums to {rate_sum:.3g}. Stopping early, or more weight decay, would "
            "allow the higher rates"
        )
    if not turn.seen:
        return "unknown", "a quick test is too short to tell whether such a training overfits"
    if rate_sum <= turn.seen:
        return "edge", f"sweeps went as far (rates summing to {turn.seen:.3g}) before any overfitted"
    return "unknown", (
        f"no sweep overfitted up to rates summing to {turn.seen:.3g}, and none went further; this schedule sums to "
        f"{rate_sum:.3g}: look at the held-out loss while it trains, and stop early"
    )
