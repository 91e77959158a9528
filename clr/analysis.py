"""From measured sweeps to base_lr and max_lr, with the rule that fired, its evidence, and an honest "inconclusive".

The paper's reading of a range test (Smith 2017, section 3.3): base_lr where accuracy begins to rise, max_lr where
it slows, becomes ragged or falls; where the rise is not resolved, base_lr = max_lr / 4 (it says a third or a fourth).
Everything here is a pure function of the stored curve.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from statistics import fmean, median
from typing import Any

from clr import adafactor
from clr.basin import find_basin_lr, find_break_lr
from clr.bounds import Bounds, Inconclusive
from clr.cycles import half_cycle, short_epoch
from clr.endurance import find_collapse
from clr.finders import list_candidates
from clr.inconclusive import find_doubt, find_resolved_lr
from clr.overfitting import find_turn
from clr.ranges import Range, choose_range, pool_edges, weigh_ranges
from clr.reading import MIN_VALUES, Plateau, Reading, most_reach_end, read_all
from clr.sweep import Sweep, SweepPlan
from clr.wrong_max_lr import measure_sensitivity

UNRESOLVED_DIVISOR = 4.0  # base_lr = max_lr / 4
BELOW, ABOVE = 10**0.15, 10**0.25  # the interval's ends: calibrated in docs/bounds.md, for quick tests too
APART = 10**0.2  # times the lower of what ranges and scout say, and at most
DIGITS = 4
BASIN = "the middle of the rates at which the training loss lies low, less the delay of momentum"
COARSE = 100  # steps of a quick test: with fewer its answer depends on how many they are
GOING_ON = (
    "nearly all of the held-out set was right at the first look, so that the held-out loss decides: a model that had "
    "learned before, or one frequent class. The bounds are for going on from these weights; rates far above max_lr may "
    "forget what they know"
)
ADAPTIVE = {
    *("Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "NAdam", "RAdam", "Adamax", "Adafactor"),
    *("Muon", "MuonAndAdamW"),
}


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
    warnings = (*warnings, *_unread_looks(sweeps))
    readings = read_all([sweep for sweep in sweeps if sweep.plan.phase != "probe"])
    by_loss = any(reading.by_loss for reading in readings)
    probes = [Reading(sweep, by_loss=by_loss) for sweep in sweeps if sweep.plan.phase == "probe"]
    tests = [reading for reading in readings if reading.plan.phase == "test"]
    best_range = choose_range(tests) if tests else readings
    candidates = list_candidates(sweeps)
    doubt = find_doubt(best_range, tests=tests, readings=readings)
    if doubt is not None:
        if optimizer == adafactor.NAME:
            doubt = adafactor.advise_further(doubt, best_range[0].plan.num_steps)
        return replace(doubt, candidates=candidates, warnings=tuple(warnings), sweeps=tuple(sweeps))
    scouts = [reading for reading in readings if reading.plan.shape == "exponential"]
    basin_lrs = [lr for scout in scouts if (lr := find_basin_lr(scout, momentum=momentum)) is not None]
    bounds = _bounds(best_range, tests, probes, basin_lrs, steps_per_epoch)
    warned = _warnings(best_range, tests, optimizer, scouted=len(readings) > len(tests))
    if optimizer == adafactor.NAME:
        warned.append(adafactor.warn_of_cap(bounds.max_lr))
    broken = [lr for scout in scouts if (lr := find_break_lr(scout)) is not None]
    return replace(
        bounds,
        breaks_at=min(broken, default=None),
        warnings=(*warnings, *warned, *bounds.warnings),
        candidates=candidates,
        sweeps=tuple(sweeps),
    )


def _bounds(
    best_range: Sequence[Reading],
    tests: Sequence[Reading],
    probes: Sequence[Reading],
    basin_lrs: list[float],
    steps_per_epoch: float | None,
) -> Bounds:
    """The bounds, with what they themselves warn of, and without candidates."""
    plan = best_range[0].plan
    plateaus = _plateaus_by_seed(best_range)
    metric = next(iter(plateaus.values())).metric
    ranges = weigh_ranges(tests)
    max_lr, max_lr_interval = _max_lr(ranges, basin_lrs)
    rule_max, reason_max = _explain_max(plan, list(plateaus.values()), ranges, basin_lrs)
    base_lr, base_lr_interval, rule_base, reason_base = _base_lr(
        plan, list(plateaus.values()), max_lr, max_lr_interval
    )
    step_size = half_cycle(steps_per_epoch)
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
        evidence=_evidence(plateaus, best_range, tests, ranges, basin_lrs),
        step_size=step_size,
        steps_per_epoch=steps_per_epoch,
        warnings=(*_untested(base_lr, plan), *short_epoch(steps_per_epoch, step_size)),
        candidates=(),
        sensitivity=measure_sensitivity(tests, ranges, max_lr=max_lr, metric=metric) if ranges else None,
        metric=metric,
        floor=median(plateau.floor for plateau in plateaus.values()),
        peak=median(plateau.peak for plateau in plateaus.values()),
        turn=find_turn(tests or best_range, probes[-1] if probes else None, steps_per_epoch=steps_per_epoch),
        collapse=find_collapse(probes, steps_per_epoch=steps_per_epoch),
    )


def _plateaus_by_seed(readings: Sequence[Reading]) -> dict[int, Plateau]:
    """The plateaus of the seeds that learned."""
    return {
        reading.plan.seed: reading.plateau
        for reading in readings
        if reading.plateau is not None and reading.learns
    }


def _evidence(
    plateaus: dict[int, Plateau],
    best_range: Sequence[Reading],
    tests: Sequence[Reading],
    ranges: Sequence[Range],
    basin_lrs: list[float],
) -> dict[str, Any]:
    plan = best_range[0].plan
    return {
        "range": {"shape": plan.shape, "start_lr": plan.start_lr, "end_lr": plan.end_lr},
        "ranges": [asdict(range) for range in ranges],
        "basins": basin_lrs,
        "seeds": [{"seed": seed, **asdict(plateau)} for seed, plateau in plateaus.items()],
        "other_ranges": [
            {"end_lr": reading.plan.end_lr, "seed": reading.plan.seed, "peak": reading.plateau.peak}
            for reading in tests
            if reading not in best_range and reading.plateau is not None
        ],
    }


def _max_lr(ranges: Sequence[Range], basin_lrs: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """The rate and its interval: the geometric mean of what the ranges and the scout say, where there are both.

    Where they are far apart it stays near the lower: too high costs more than too low.
    """
    pooled = _pooled(ranges, basin_lrs)
    max_lr = _rounded(min(_mean(pooled), min(pooled) * APART))
    low, high = min(max_lr / BELOW, *pooled), max(max_lr * ABOVE, *pooled)
    return max_lr, (_rounded(low), _rounded(high))


def _pooled(ranges: Sequence[Range], basin_lrs: Sequence[float]) -> list[float]:
    """The rate of all the ranges, and that of the scout, as far as they are there."""
    return [
        *([pool_edges(ranges)] if ranges else []),
        *([_middle(basin_lrs)] if basin_lrs else []),
    ]


def _base_lr(
    plan: SweepPlan, plateaus: Sequence[Plateau], max_lr: float, max_lr_interval: tuple[float, float]
) -> tuple[float, tuple[float, float], str, str]:
    """The rate, its interval, its rule and the reason."""
    rises = [plateau.rise_lr for plateau in plateaus]
    unresolved = _unresolved(plan, median(rises), max_lr)
    if unresolved is None:
        interval = (_rounded(min(rises)), _rounded(max(rises)))
        return (
            _rounded(_middle(rises)),
            interval,
            "rise_begins",
            f"{_spell(plateaus)} first rises for good here",
        )
    low, high = max_lr_interval
    interval = (_rounded(low / UNRESOLVED_DIVISOR), _rounded(high / UNRESOLVED_DIVISOR))
    reason = f"max_lr / 4, the paper's rule of thumb (a third or a fourth): {unresolved}"
    return _rounded(max_lr / UNRESOLVED_DIVISOR), interval, "quarter_of_max", reason


def _spell(plateaus: Sequence[Plateau]) -> str:
    """The metric as a sentence has it."""
    return plateaus[0].metric.replace("_", " ")


def _explain_max(
    plan: SweepPlan, plateaus: Sequence[Plateau], ranges: Sequence[Range], basin_lrs: Sequence[float]
) -> tuple[str, str]:
    """The rule that gave max_lr, and its reason."""
    if not ranges:
        return "basin_of_lowest_loss", f"{BASIN}, in one short sweep"
    rule, reason = _explain_ranges(plan, plateaus, ranges)
    if not basin_lrs:
        return rule, reason
    first, second = _pooled(ranges, basin_lrs)
    between = f"the geometric mean of {first:.3g} and {second:.3g}"
    if _mean([first, second]) > min(first, second) * APART:
        between = f"near the lower of {first:.3g} and {second:.3g}, which are far apart"
    return rule, f"{between}. The first: {reason}. The second, from the scout: {BASIN}"


def _explain_ranges(plan: SweepPlan, plateaus: Sequence[Plateau], ranges: Sequence[Range]) -> tuple[str, str]:
    ends = [f"{range.end_lr:.3g}" for range in ranges if range.trains_as_well]
    if len(ends) > 1:
        return "ranges_pooled", (
            f"the ranges up to {', '.join(ends)} train about as well; the ends of their plateaus, weighted by how well"
        )
    metric = _spell(plateaus)
    if most_reach_end(plateaus):
        return "highest_range_that_trains_as_well", (
            f"{metric} held up to {plan.end_lr:.3g}, the end of this range, and a range reaching higher trained worse"
        )
    return (
        "plateau_ends",
        f"above it {metric} leaves the plateau around its peak: it slows, gets ragged or falls",
    )


def _unresolved(plan: SweepPlan, rise_lr: float, max_lr: float) -> str | None:
    """Why base_lr cannot be read off the rise; None where it can."""
    if plan.shape == "exponential":
        return "one short exponential sweep does not resolve where learning starts"
    if rise_lr <= find_resolved_lr(plan):
        return "the start of the rise lies too near the start of the sweep to be resolved"
    if rise_lr >= max_lr / 2:
        return "the rise begins so late that it says how fast the sweep was, no more"
    return None


def _unread_looks(sweeps: Sequence[Sweep]) -> list[str]:
    looks = [len(sweep.held_out) for sweep in sweeps if not sweep.broke_off]
    few = [count for count in looks if 0 < count < MIN_VALUES]
    if not few:
        return []
    return [
        f"{min(few)} looks at the held-out set are too few: take {MIN_VALUES} or more; the training loss decides"
    ]


def _untested(base_lr: float, plan: SweepPlan) -> list[str]:
    below = f"base_lr lies below {plan.start_lr:.3g}, where the tested range starts"
    return [below] if base_lr < plan.start_lr else []


def _warnings(
    best_range: Sequence[Reading], tests: Sequence[Reading], optimizer: str | None, *, scouted: bool
) -> list[str]:
    warnings = []
    if optimizer in ADAPTIVE:
        warnings.append(
            f"{optimizer} bears rates for a few hundred steps that hurt a long training; stay at or below max_lr"
        )
    plan, num_seeds = best_range[0].plan, len(best_range)
    if plan.shape == "exponential" and plan.num_steps < COARSE:
        warnings.append(f"{plan.num_steps} steps are few for an exponential sweep: take {COARSE} or more")
    if not scouted and len({reading.plan.end_lr for reading in tests}) == 1:
        warnings.append(
            "one range alone cannot tell whether it reaches too high: leave start_lr and end_lr out to have them chosen"
        )
    if best_range[0].by_loss:
        warnings.append(GOING_ON)
    points = [reading.sweep.points for reading in best_range]
    if num_seeds > 1 and all(curve == points[0] for curve in points):
        warnings.append("every seed gave the same curve: one seed would have told as much")
    num_learning = len(_plateaus_by_seed(best_range))
    if num_learning < num_seeds:
        warnings.append(f"only {num_learning} of {num_seeds} seeds learned")
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
