"""The rates for one schedule of one length: the range test's, lower ones for a training much longer than a sweep, or
those with which such trainings ended best."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from clr.collapse import Collapse
from clr.confirmation import Confirmation
from clr.metric import SweepMetric
from clr.turn import Turn

if TYPE_CHECKING:
    from clr.policies import Schedule

Basis = Literal["edge", "turn", "collapse", "length", "training", "unknown"]

SHORT = 320  # steps, or an epoch where that is longer: up to there a range test's rates are best as they are
MOST_TIMES = 16  # as long, as far as docs/bounds.md measured: longer trainings have the rates of that
POWER = 1 / 3  # of the length, by which rates fall where a network does not bear them for long
NEAR = 10  # times max_lr: networks whose scout lost all it had learned nearer did not always bear it for long
POWER_OF_LOSS = 0.75  # where the held-out loss decides, beyond what the sweeps saw
EXACT = 4096  # steps from the first, summed one by one: there decays are steep
SAMPLES = 4096  # of the steps after those
GOLDEN = (5**0.5 - 1) / 2  # turns after which samples and cycles never keep step


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRates:
    """base_lr and max_lr (> 0) for `num_steps` of a policy, and what they rest on. constant_lr: their geometric mean.
    max_lr_interval: the range test's, times what max_lr is.

    basis: "edge", the range test's rates, which such a training bears; "turn", lower ones, as it would overfit with
    those; "collapse", lower ones, as a probe lost with those what it had learned; "length", lower ones, as so long a
    training does better with them; "training", those with which such trainings ended best; "unknown", perhaps lower
    ones, and nobody saw a training go so far.
    """

    policy: str
    num_steps: int
    base_lr: float
    max_lr: float
    max_lr_interval: tuple[float, float]
    constant_lr: float
    basis: Basis
    reason: str


def find_training_rates(
    make: Callable[[float], "Schedule"],
    *,
    num_steps: int,
    steps_per_epoch: float | None,
    base_lr: float,
    max_lr: float,
    max_lr_interval: tuple[float, float],
    metric: SweepMetric,
    breaks_at: float | None,
    turn: Turn | None,
    collapse: Collapse | None,
    confirmation: Confirmation | None,
) -> TrainingRates:
    """make: the schedule with these bounds, times a factor. breaks_at to confirmation: as `Bounds` has them.

    Raises what `make` raises.
    """
    schedule = make(1.0)
    rate_sum, times = sum_rates(schedule, num_steps), _count_times(num_steps, steps_per_epoch)
    factor = find_share(
        rate_sum,
        num_steps,
        max_lr=max_lr,
        steps_per_epoch=steps_per_epoch,
        breaks_at=breaks_at,
        turn=turn,
        collapse=collapse,
    )
    if collapse is not None and factor == _share_borne(num_steps, max_lr, collapse):
        basis, reason = _explain_collapse(collapse, factor)
    else:
        basis, reason = _explain(rate_sum, times, factor, metric, turn)
    rates = TrainingRates(
        policy=schedule.policy,
        num_steps=num_steps,
        base_lr=factor * base_lr,
        max_lr=factor * max_lr,
        max_lr_interval=(factor * max_lr_interval[0], factor * max_lr_interval[1]),
        constant_lr=factor * math.sqrt(base_lr * max_lr),
        basis=basis,
        reason=reason,
    )
    return rates if confirmation is None else _confirm(rates, confirmation)


def _confirm(rates: TrainingRates, confirmation: Confirmation) -> TrainingRates:
    """Moved to where such trainings ended best."""
    if not confirmation.settles(rates.policy, rates.num_steps):
        return rates
    factor, (low, high) = confirmation.factor, rates.max_lr_interval
    return replace(
        rates,
        base_lr=factor * rates.base_lr,
        max_lr=factor * rates.max_lr,
        max_lr_interval=(factor * low, factor * high),
        constant_lr=factor * rates.constant_lr,
        basis="training",
        reason=f"{confirmation.message}; before them: {rates.reason}",
    )


def find_share(
    rate_sum: float,
    num_steps: int,
    *,
    max_lr: float,
    steps_per_epoch: float | None,
    breaks_at: float | None,
    turn: Turn | None,
    collapse: Collapse | None,
) -> float:
    """The factor in (0, 1] of the range test's rates for a schedule of this sum and length.

    Down to the turn where there is one, else by a power of the length, though never below what a sweep bore; where
    accuracy decides and did not turn (turn: None) only if the scout lost all near max_lr. And down to what the probe
    bore, where it lost what it had learned.
    """
    times = min(_count_times(num_steps, steps_per_epoch), MOST_TIMES)
    if turn is not None and turn.rate_sum is not None:
        share = min(1.0, turn.rate_sum / rate_sum)
    elif turn is not None:
        share = max(times**-POWER_OF_LOSS, min(1.0, turn.seen / rate_sum))
    else:
        near = breaks_at is not None and breaks_at < NEAR * max_lr
        share = times**-POWER if near else 1.0
    return float(share if collapse is None else min(share, _share_borne(num_steps, max_lr, collapse)))


def _share_borne(num_steps: int, max_lr: float, collapse: Collapse) -> float:
    """The factor that comes down to the rate of the collapse, and lower for a training longer than that sweep."""
    return float(collapse.lr / max_lr * (num_steps / collapse.num_steps) ** -POWER)


def _count_times(num_steps: int, steps_per_epoch: float | None) -> float:
    """How many times as long as `SHORT` or an epoch, >= 1: before examples come again, rates need not fall."""
    return max(1.0, num_steps / max(SHORT, steps_per_epoch or 0))


def sum_rates(schedule: "Schedule", num_steps: int) -> float:
    """Of the first `num_steps` updates; from samples where they are many, one at some place in each equal stretch."""
    exact, later = min(num_steps, EXACT), max(0, num_steps - EXACT)
    count = min(later, SAMPLES)
    places = (exact + int((index + index * GOLDEN % 1) * later / count) for index in range(count))
    return sum(map(schedule, range(exact))) + sum(map(schedule, places)) * later / max(1, count)


def _explain_collapse(collapse: Collapse, factor: float) -> tuple[Basis, str]:
    return "collapse", (
        f"a sweep of {collapse.num_steps} steps lost what it had learned beyond {collapse.lr:.3g}: lowered to "
        f"{factor:.2g} of the range test's"
    )


def _explain(
    rate_sum: float, times: float, factor: float, metric: SweepMetric, turn: Turn | None
) -> tuple[Basis, str]:
    if turn is not None and turn.rate_sum is not None and factor < 1:
        turned, fell_on = (
            ("accuracy", ", as where labels are wrong or examples few")
            if metric == "accuracy"
            else ("loss", "")
        )
        return "turn", (
            f"the held-out {turned} turned where the rates had summed to {turn.rate_sum:.3g}, while the training loss "
            f"fell on{fell_on}; within the bounds this schedule sums to {rate_sum:.3g}. Stopping early, or more weight "
            "decay, would allow higher rates"
        )
    told = "the range test's rates" if factor == 1 else f"lowered to {factor:.2g} of the range test's"
    lowered = f"{times:.3g} times as long as {SHORT} steps or an epoch: {told}"
    if metric == "loss":
        return (
            "unknown",
            f"{lowered}; without a held-out set nobody sees where training on overfits: give one",
        )
    if metric == "held_out_loss":
        return _explain_loss(rate_sum, lowered, turn)
    if times > MOST_TIMES:
        return "unknown", f"{lowered}, as for {MOST_TIMES} times; nothing longer was measured"
    if factor == 1:
        return "edge", "such trainings bear the range test's rates"
    return "length", (
        f"{lowered}, by the cube root of the length: within {NEAR} times max_lr the scout lost what it had learned, "
        "and such networks did not always bear max_lr for long"
    )


def _explain_loss(rate_sum: float, lowered: str, turn: Turn | None) -> tuple[Basis, str]:
    """Where no sweep turned, or none before such a sum."""
    if turn is None:
        return "unknown", f"{lowered}; this range test was read before overfitting was: analyse it again"
    if rate_sum <= max(turn.seen, turn.rate_sum or 0.0):
        return "edge", f"sweeps went as far (rates summing to {turn.seen:.3g}) before any overfitted"
    went = f"no sweep overfitted up to rates summing to {turn.seen:.3g}, and none went further"
    if not turn.seen:
        went = "a quick test is too short to tell whether such a training overfits"
    return "unknown", (
        f"{lowered}; {went}; within the bounds this schedule sums to {rate_sum:.3g}: look at the held-out loss while "
        "it trains, and stop early"
    )
