"""From measured sweeps to base_lr and max_lr, with the rule that fired, its evidence, and an honest "inconclusive".

The paper's reading of a range test (Smith 2017, section 3.3): base_lr where accuracy begins to rise, max_lr where
it slows, becomes ragged or falls; where the rise is not resolved, base_lr = max_lr / 4 (it says a third or a fourth).
Everything here is a pure function of the stored curve.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from statistics import fmean, median

from clr.basin import basin
from clr.bounds import Bounds, Inconclusive
from clr.candidates import Candidate, candidates
from clr.cycles import half_cycle, short_epoch
from clr.inconclusive import doubt, resolved_from
from clr.plateau import Plateau, at_end, plateau
from clr.range_test import chosen_range
from clr.ranges import COUNTS, Range, pooled, train_as_well
from clr.sensitivity import sensitivity
from clr.sweep import Sweep, SweepPlan

UNRESOLVED_DIVISOR = 4.0  # base_lr = max_lr / 4
DIGITS = 4
BASIN = "the middle of the rates at which the training loss lies low, less the delay of momentum"
COARSE = 100  # steps of a quick test: with fewer its answer depends on how many they are
ADAPTIVE = {"Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "NAdam", "RAdam", "Adamax", "Adafactor"}


def read_bounds(
    sweeps: Sequence[Sweep],
    *,
    steps_per_epoch: float | None = None,
    optimizer: str | None = None,
    momentum: float = 0.0,
    warnings: Sequence[str] = (),
) -> Bounds | Inconclusive:
    """Read the bounds off the best range that was measured, for every seed, and pool them with the scout's.

    optimizer: its class's name. momentum: its momentum or first beta, >= 0. warnings: the caller's own, told first.
    """
    others = tuple(candidates(sweeps))
    tests = [sweep for sweep in sweeps if sweep.plan.phase == "test"]
    chosen = chosen_range(tests) if tests else list(sweeps)
    doubted = doubt(chosen, tests=tests, sweeps=sweeps)
    if doubted is not None:
        why, message, advice, request = doubted
        return Inconclusive(
            why=why,
            message=message,
            next_experiment={"message": advice, "request": request},
            candidates=others,
            warnings=tuple(warnings),
            sweeps=tuple(sweeps),
        )
    found = {sweep.plan.seed: at for sweep in chosen if (at := plateau(sweep)) is not None and at.learns}
    basins = [
        lr
        for sweep in sweeps
        if sweep.plan.shape == "exponential" and (lr := basin(sweep, momentum=momentum)) is not None
    ]
    told = (*warnings, *_warnings(chosen, tests, found, optimizer, scouted=len(sweeps) > len(tests)))
    return replace(_bounds(chosen, tests, found, basins, steps_per_epoch, told, others), sweeps=tuple(sweeps))


def _bounds(
    chosen: Sequence[Sweep],
    tests: Sequence[Sweep],
    found: dict[int, Plateau],
    basins: list[float],
    steps_per_epoch: float | None,
    warnings: tuple[str, ...],
    others: tuple[Candidate, ...],
) -> Bounds:
    plan = chosen[0].plan
    metric = next(iter(found.values())).metric
    named = metric.replace("_", " ")
    step_size = half_cycle(steps_per_epoch)
    ranges = train_as_well(tests) if tests else []
    readings = [*([pooled(ranges)] if ranges else []), *([_middle(basins)] if basins else [])]
    max_lr = _rounded(_mean(readings))
    edges = [edge for one in ranges if one.weight >= COUNTS for edge in one.edges] + basins
    rule_max, reason_max = _why(chosen, found, ranges, readings, named)
    max_lr_interval = (min(max_lr, _rounded(min(edges))), max(max_lr, _rounded(max(edges))))
    rises = [at.rise_lr for at in found.values()]
    unresolved = _unresolved(plan, median(rises), max_lr)
    if unresolved is None:
        base_lr, base_lr_interval = _rounded(_middle(rises)), (_rounded(min(rises)), _rounded(max(rises)))
        rule_base, reason_base = "rise_begins", f"{named} first rises for good here"
    else:
        base_lr = _rounded(max_lr / UNRESOLVED_DIVISOR)
        low, high = max_lr_interval
        base_lr_interval = (_rounded(low / UNRESOLVED_DIVISOR), _rounded(high / UNRESOLVED_DIVISOR))
        rule_base = "quarter_of_max"
        reason_base = f"max_lr / 4, the paper's rule of thumb (a third or a fourth): {unresolved}"
    return Bounds(
        base_lr=base_lr,
        max_lr=max_lr,
        constant_lr=_rounded(math.sqrt(base_lr * max_lr)),
        base_lr_interval=base_lr_interval,
        max_lr_interval=max_lr_interval,
        rule_base=rule_base,
        rule_max=rule_max,
        reason_base=reason_base,
        reason_max=reason_max,
        evidence={
            "range": {"shape": plan.shape, "start_lr": plan.start_lr, "end_lr": plan.end_lr},
            "ranges": [asdict(one) for one in ranges],
            "basins": basins,
            "seeds": [{"seed": seed, **asdict(at)} for seed, at in found.items()],
            "other_ranges": [
                {"end_lr": sweep.plan.end_lr, "seed": sweep.plan.seed, "peak": at.peak}
                for sweep in tests
                if sweep not in chosen and (at := plateau(sweep)) is not None
            ],
        },
        step_size=step_size,
        steps_per_epoch=steps_per_epoch,
        warnings=(*warnings, *_untested(base_lr, plan), *short_epoch(steps_per_epoch, step_size)),
        candidates=others,
        sensitivity=sensitivity(tests, ranges, max_lr=max_lr, metric=metric) if ranges else None,
        metric=metric,
        floor=median(at.floor for at in found.values()),
        peak=median(at.peak for at in found.values()),
    )


def _why(
    chosen: Sequence[Sweep],
    found: dict[int, Plateau],
    ranges: Sequence[Range],
    readings: Sequence[float],
    metric: str,
) -> tuple[str, str]:
    """The rule that gave max_lr, and its reason. readings: of the ranges and of the scout, where there are both."""
    if not ranges:
        return "basin_of_lowest_loss", f"{BASIN}, in one short sweep"
    rule, reason = _of_ranges(chosen, found, ranges, metric)
    if len(readings) == 1:
        return rule, reason
    first, second = readings
    return rule, (
        f"the geometric mean of {first:.3g} and {second:.3g}. The first: {reason}. "
        f"The second, from the scout: {BASIN}"
    )


def _of_ranges(
    chosen: Sequence[Sweep], found: dict[int, Plateau], ranges: Sequence[Range], metric: str
) -> tuple[str, str]:
    if sum(one.weight >= COUNTS for one in ranges) > 1:
        ends = ", ".join(f"{one.end_lr:.3g}" for one in ranges if one.weight >= COUNTS)
        return "ranges_pooled", (
            f"the ranges up to {ends} train about as well; the ends of their plateaus, weighted by how well"
        )
    if at_end(list(found.values())):
        return "highest_range_that_trains_as_well", (
            f"{metric} held up to {chosen[0].plan.end_lr:.3g}, the end of this range, and a range reaching higher "
            "trained worse"
        )
    return (
        "plateau_ends",
        f"above it {metric} leaves the plateau around its peak: it slows, gets ragged or falls",
    )


def _unresolved(plan: SweepPlan, rise_lr: float, max_lr: float) -> str | None:
    """Why base_lr cannot be read off the rise; None where it can."""
    if plan.shape == "exponential":
        return "one short exponential sweep does not resolve where learning starts"
    if rise_lr <= resolved_from(plan):
        return "the start of the rise lies too near the start of the sweep to be resolved"
    if rise_lr >= max_lr / 2:
        return "the rise begins so late that it says how fast the sweep was, no more"
    return None


def _untested(base_lr: float, plan: SweepPlan) -> list[str]:
    below = f"base_lr lies below {plan.start_lr:.3g}, where the tested range starts"
    return [below] if base_lr < plan.start_lr else []


def _warnings(
    chosen: Sequence[Sweep],
    tests: Sequence[Sweep],
    found: dict[int, Plateau],
    optimizer: str | None,
    *,
    scouted: bool,
) -> list[str]:
    warnings = []
    if optimizer in ADAPTIVE:
        warnings.append(
            f"{optimizer} bears rates for a few hundred steps that hurt a long training; stay at or below max_lr"
        )
    plan = chosen[0].plan
    if plan.shape == "exponential" and plan.num_steps < COARSE:
        warnings.append(f"{plan.num_steps} steps are few for an exponential sweep: take {COARSE} or more")
    if not scouted and len({sweep.plan.end_lr for sweep in tests}) == 1:
        warnings.append(
            "one range alone cannot tell whether it reaches too high: leave start_lr and end_lr out to have them chosen"
        )
    if len(chosen) > 1 and all(sweep.points == chosen[0].points for sweep in chosen):
        warnings.append(
            "every seed gave the same curve: the intervals say nothing about the spread over seeds"
        )
    if len(found) == 1:
        warnings.append("one seed only: the intervals say nothing about the spread over seeds")
    elif len(found) < len(chosen):
        warnings.append(f"only {len(found)} of {len(chosen)} seeds learned")
    return warnings


def _middle(rates: Sequence[float]) -> float:
    """The median on the log scale."""
    return math.exp(median(math.log(rate) for rate in rates))


def _mean(rates: Sequence[float]) -> float:
    """The geometric mean."""
    return math.exp(fmean(math.log(rate) for rate in rates))


def _rounded(rate: float) -> float:
    """To the digits that a sweep can tell apart, and a person can read."""
    return float(f"{rate:.{DIGITS}g}")
