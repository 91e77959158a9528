"""Why a curve gives no trustworthy bounds: what is wrong with it, in a sentence, and what to try next."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np

from clr.plateau import MIN_VALUES, at_end, plateau, score
from clr.range_test import HIGHEST_LR, LOWEST_LR, MOST_SEEDS, SCOUT_END, SCOUT_START
from clr.sweep import Sweep, SweepPlan

RESOLVED_FROM = 0.05  # of the range, and at least
RESOLVED_STEPS = 20  # of the sweep: what begins sooner says how fast the sweep was, no more
CLEARLY = 0.1  # of the rise: five times what the plateau allows
DISAGREEMENT = 4.0  # highest over lowest edge among seeds that can be trusted

SCOUT: tuple[str, dict[str, Any]] = (
    "leave start_lr and end_lr out: a scout then finds where this task learns",
    {"start_lr": None, "end_lr": None},
)

Doubt = tuple[str, str, str, dict[str, Any]]  # (why, message, advice, request): as in `Inconclusive`


def doubt(chosen: Sequence[Sweep], *, tests: Sequence[Sweep], sweeps: Sequence[Sweep]) -> Doubt | None:
    """The first reason not to trust the chosen sweeps; None where there is none.

    tests: the sweeps of the test proper, empty in a quick one. sweeps: everything that was measured.
    """
    return _no_signal(chosen) or _not_learning(chosen, sweeps) or _unreadable(chosen, tests)


def resolved_from(plan: SweepPlan) -> float:
    """The rate from which on a sweep can tell where something begins."""
    return _at_share(plan, max(RESOLVED_FROM, RESOLVED_STEPS / plan.num_steps))


def _at_share(plan: SweepPlan, share: float) -> float:
    return plan.start_lr + share * (plan.end_lr - plan.start_lr)


def _no_signal(sweeps: Sequence[Sweep]) -> Doubt | None:
    """The loss itself cannot be read."""
    if not sweeps or all(len(sweep.points) == 0 for sweep in sweeps):
        return "too_few_points", "nothing was measured", "measure at least 12 steps", {"num_steps": 200}
    if all(not math.isfinite(sweep.points[0].loss) for sweep in sweeps):
        return (
            "non_finite_from_start",
            "the loss is not finite at the very first step, before any update",
            "check the data, the loss and the initial weights: no learning rate can mend them",
            {},
        )
    losses = [point.loss for sweep in sweeps for point in sweep.points if math.isfinite(point.loss)]
    if len(losses) >= MIN_VALUES and max(losses) - min(losses) <= 1e-12 * abs(max(losses, key=abs)):
        return (
            "loss_never_changed",
            f"the loss stayed at {losses[0]:.6g} at every learning rate",
            "check that the loss depends on the weights and that they receive gradients",
            {},
        )
    if all(score(sweep) is None for sweep in sweeps):
        return (
            "too_few_points",
            f"no sweep has {MIN_VALUES} finite measurements: it ended almost at once",
            "start at a lower learning rate and take more steps",
            _lower(sweeps) | {"num_steps": 400},
        )
    return None


def _not_learning(chosen: Sequence[Sweep], sweeps: Sequence[Sweep]) -> Doubt | None:
    learning = [at for sweep in chosen if (at := plateau(sweep)) is not None and at.learns]
    if 2 * len(learning) > len(chosen):
        return None
    plan = chosen[0].plan
    return (
        "no_learning",
        f"learning shows in {len(learning)} of {len(chosen)} seeds: no rise stands out from the noise between "
        f"{plan.start_lr:.3g} and {plan.end_lr:.3g}",
        *(_longer(plan) if any(map(_searched_everywhere, sweeps)) else SCOUT),
    )


def _searched_everywhere(sweep: Sweep) -> bool:
    plan = sweep.plan
    return plan.phase == "scout" and plan.start_lr <= SCOUT_START and plan.end_lr >= SCOUT_END


def _longer(plan: SweepPlan) -> tuple[str, dict[str, Any]]:
    """Advice and request where a test saw too little."""
    if plan.phase == "scout":
        return "one short sweep misses what learns late: test range by range", {"effort": "standard"}
    advice = "give it more steps or a larger batch; if it stays so, the model cannot learn these targets"
    return advice, {"num_steps": 4 * plan.num_steps}


def _unreadable(chosen: Sequence[Sweep], tests: Sequence[Sweep]) -> Doubt | None:
    """The curve is sound, but its upper edge is not to be trusted."""
    found = [at for sweep in chosen if (at := plateau(sweep)) is not None and at.learns]
    plan = chosen[0].plan
    still_good = at_end(found) if tests else all(map(_still_falling, chosen))
    if still_good and plan.end_lr >= max(sweep.plan.end_lr for sweep in tests or chosen):
        return (
            "edge_not_reached",
            f"it still trained as well as ever at {plan.end_lr:.3g}, the highest rate tested",
            "raise end_lr",
            {"end_lr": min(10 * plan.end_lr, HIGHEST_LR)},
        )
    edges = [at.upper_lr for at in found]
    lowest = _at_share(plan, RESOLVED_FROM)
    if tests and median(edges) <= lowest:
        return (
            "range_starts_too_high",
            f"accuracy or loss was best below {lowest:.3g}, where this sweep was too fast to tell",
            *SCOUT,
        )
    if tests and max(edges) > DISAGREEMENT * min(edges) and _matters(chosen, median(edges)):
        return (
            "seeds_disagree",
            f"the seeds put max_lr anywhere between {min(edges):.3g} and {max(edges):.3g}",
            "use more seeds and longer sweeps",
            {"num_seeds": min(2 * len(chosen) + 1, MOST_SEEDS), "num_steps": 2 * plan.num_steps},
        )
    return None


def _matters(chosen: Sequence[Sweep], lr: float) -> bool:
    """Whether some seed scores clearly worse at this rate than at its best; on a long plateau edges may disagree."""
    scores = [measured for sweep in chosen if (measured := score(sweep)) is not None]
    return any(
        float(one.smooth.max() - np.interp(lr, one.lr, one.smooth)) > CLEARLY * float(np.ptp(one.smooth))
        for one in scores
    )


def _lower(sweeps: Sequence[Sweep]) -> dict[str, float]:
    """A request for the range below the one that was tested."""
    start_lr = min(sweep.plan.start_lr for sweep in sweeps)
    return {"start_lr": max(start_lr / 100, LOWEST_LR), "end_lr": max(start_lr, 2 * LOWEST_LR)}


def _still_falling(sweep: Sweep) -> bool:
    """Whether the lowest loss came at the very end of a sweep that was not ended by its loss."""
    losses = score(Sweep(sweep.plan, sweep.points))
    assert losses is not None  # _no_signal has looked
    return (
        not sweep.broke_off and losses.lr[losses.smooth.argmax()] >= losses.lr[-max(1, len(losses.lr) // 20)]
    )
