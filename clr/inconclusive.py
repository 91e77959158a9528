"""Why a curve gives no trustworthy bounds: what is wrong with it, in a sentence, and what to try next."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from clr.bounds import Inconclusive
from clr.range_test import HIGHEST_LR, LOWEST_LR, MOST_SEEDS, SCOUT_END, SCOUT_START
from clr.reading import MIN_VALUES, Reading, list_plateaus, most_reach_end, read_score
from clr.sweep import Sweep, SweepPlan

RESOLVED_FROM = 0.05  # of the range, and at least
RESOLVED_STEPS = 20  # of the sweep: what begins sooner says how fast the sweep was, no more
CLEARLY = 0.1  # of the rise: five times what the plateau allows
DISAGREEMENT = 4.0  # highest over lowest edge among seeds that can be trusted

SCOUT: tuple[str, dict[str, Any]] = (
    "leave start_lr and end_lr out: a scout then finds where this task learns",
    {"start_lr": None, "end_lr": None},
)


def find_doubt(
    best: Sequence[Reading], *, tests: Sequence[Reading], readings: Sequence[Reading]
) -> Inconclusive | None:
    """The first reason not to trust the best range's sweeps, without candidates and warnings; None where there is none.

    tests: the sweeps of the test proper, empty in a quick one. readings: everything that was measured.
    """
    doubt = _no_signal(best)
    if doubt is None:
        doubt = _not_learning(best, readings)
    return _unreadable(best, tests) if doubt is None else doubt


def _doubt(why: str, message: str, advice: str, request: dict[str, Any]) -> Inconclusive:
    return Inconclusive(
        why=why, message=message, next_experiment={"message": advice, "request": request}, candidates=()
    )


def find_resolved_lr(plan: SweepPlan) -> float:
    """The rate from which on a sweep can tell where something begins."""
    return _lr_at(plan, max(RESOLVED_FROM, RESOLVED_STEPS / plan.num_steps))


def _lr_at(plan: SweepPlan, share: float) -> float:
    return plan.start_lr + share * (plan.end_lr - plan.start_lr)


def _no_signal(readings: Sequence[Reading]) -> Inconclusive | None:
    """The loss itself cannot be read."""
    sweeps = [reading.sweep for reading in readings]
    if all(len(sweep.points) == 0 for sweep in sweeps):
        return _doubt(
            "too_few_points", "nothing was measured", "measure at least 12 steps", {"num_steps": 200}
        )
    if all(not math.isfinite(sweep.points[0].loss) for sweep in sweeps):
        return _doubt(
            "non_finite_from_start",
            "the loss is not finite at the very first step, before any update",
            "check the data, the loss and the initial weights: no learning rate can mend them",
            {},
        )
    losses = [point.loss for sweep in sweeps for point in sweep.points if math.isfinite(point.loss)]
    if len(losses) >= MIN_VALUES and max(losses) - min(losses) <= 1e-12 * abs(max(losses, key=abs)):
        return _doubt(
            "loss_never_changed",
            f"the loss stayed at {losses[0]:.6g} at every learning rate",
            "check that the loss depends on the weights and that they receive gradients",
            {},
        )
    if all(reading.score is None for reading in readings):
        return _doubt(
            "too_few_points",
            f"no sweep has {MIN_VALUES} finite measurements: it ended almost at once",
            "start at a lower learning rate and take more steps",
            _request_lower(sweeps) | {"num_steps": 400},
        )
    return None


def _not_learning(best: Sequence[Reading], readings: Sequence[Reading]) -> Inconclusive | None:
    num_learning = sum(reading.learns for reading in best)
    if 2 * num_learning > len(best):
        return None
    plan = best[0].plan
    return _doubt(
        "no_learning",
        f"learning shows in {num_learning} of {len(best)} seeds: no rise stands out from the noise between "
        f"{plan.start_lr:.3g} and {plan.end_lr:.3g}",
        *(_longer(plan) if any(_searched_everywhere(reading.plan) for reading in readings) else SCOUT),
    )


def _searched_everywhere(plan: SweepPlan) -> bool:
    return plan.phase == "scout" and plan.start_lr <= SCOUT_START and plan.end_lr >= SCOUT_END


def _longer(plan: SweepPlan) -> tuple[str, dict[str, Any]]:
    """Advice and request where a test saw too little."""
    if plan.phase == "scout":
        return "one short sweep misses what learns late: test range by range", {"effort": "standard"}
    advice = (
        "give it more steps or a larger batch; if it stays so, the model cannot learn more of these targets"
    )
    return advice, {"num_steps": 4 * plan.num_steps}


def _unreadable(best: Sequence[Reading], tests: Sequence[Reading]) -> Inconclusive | None:
    """The curve is sound, but its upper edge is not to be trusted."""
    plateaus = list_plateaus([reading for reading in best if reading.learns])
    plan = best[0].plan
    still_good = most_reach_end(plateaus) if tests else all(map(_still_falling, best))
    if still_good and plan.end_lr >= max(reading.plan.end_lr for reading in tests or best):
        return _doubt(
            "edge_not_reached",
            f"it still trained as well as ever at {plan.end_lr:.3g}, the highest rate tested",
            "raise end_lr",
            {"end_lr": min(10 * plan.end_lr, HIGHEST_LR)},
        )
    edges = [plateau.upper_lr for plateau in plateaus]
    lowest = _lr_at(plan, RESOLVED_FROM)
    if tests and median(edges) <= lowest:
        return _doubt(
            "range_starts_too_high",
            f"accuracy or loss was best below {lowest:.3g}, where this sweep was too fast to tell",
            *SCOUT,
        )
    if tests and max(edges) > DISAGREEMENT * min(edges) and _matters(best, median(edges)):
        return _doubt(
            "seeds_disagree",
            f"the seeds put max_lr anywhere between {min(edges):.3g} and {max(edges):.3g}",
            "use more seeds and longer sweeps",
            {"num_seeds": min(2 * len(best) + 1, MOST_SEEDS), "num_steps": 2 * plan.num_steps},
        )
    return None


def _matters(best: Sequence[Reading], lr: float) -> bool:
    """Whether some seed scores clearly worse at this rate than at its best; on a long plateau edges may disagree."""
    scores = [reading.score for reading in best if reading.score is not None]
    return any(
        float(score.smooth.max() - np.interp(lr, score.lr, score.smooth))
        > CLEARLY * float(np.ptp(score.smooth))
        for score in scores
    )


def _request_lower(sweeps: Sequence[Sweep]) -> dict[str, float]:
    """A request for the range below the one that was tested."""
    start_lr = min(sweep.plan.start_lr for sweep in sweeps)
    return {"start_lr": max(start_lr / 100, LOWEST_LR), "end_lr": max(start_lr, 2 * LOWEST_LR)}


def _still_falling(reading: Reading) -> bool:
    """Whether the lowest training loss came at the very end of a sweep that was not ended by its loss."""
    score = reading.score
    if score is None or score.metric != "loss":
        score = read_score(Sweep(reading.plan, reading.sweep.points))
    assert score is not None  # _no_signal has looked
    last = max(1, len(score.lr) // 20)
    return not reading.sweep.broke_off and bool(score.lr[score.smooth.argmax()] >= score.lr[-last])
