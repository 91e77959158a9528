"""A recommendation put to the test: short trainings around it at an equal budget, and what they say of it.

The paper's own advice (section 3.3 and its conclusions): look whether the bounds hold by training with them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from clr.comparison import TEST, Metric, Run, compare

FACTORS = {"max_lr / 2": 0.5, "max_lr": 1.0, "max_lr x 2": 2.0}  # of both bounds
NUM_CYCLES = 2  # of each training
OURS = "max_lr"
SMALL = 0.01  # of accuracy, or of our loss: a difference that hardly matters


def entries(bounds: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What to compare: cycles within half, the whole and double the bounds, the constant rate, one cycle."""
    base_lr, max_lr, constant_lr = (bounds[name] for name in ("base_lr", "max_lr", "constant_lr"))
    cycles = [
        {
            "label": label,
            "schedule": {"policy": "triangular", "base_lr": factor * base_lr, "max_lr": factor * max_lr},
        }
        for label, factor in FACTORS.items()
    ]
    return [
        *cycles,
        {"label": "constant_lr", "schedule": {"policy": "fixed", "lr": constant_lr}},
        {"label": "one_cycle", "schedule": {"policy": "one_cycle", "base_lr": base_lr, "max_lr": max_lr}},
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the trainings say. base_lr, max_lr: as recommended, or moved to where training was better.

    outcome: `adjusted` when half or double was better beyond the noise, or ours diverged; `undecided` when one was
    better by more than `SMALL` and the runs are too few to tell; else `confirmed`. margin: by how much the best of the
    three was better, in the metric; 0 when ours was the best, None when ours diverged.
    """

    outcome: Literal["confirmed", "undecided", "adjusted"]
    base_lr: float
    max_lr: float
    margin: float | None
    message: str


def verdict(
    bounds: Mapping[str, Any], runs: Mapping[str, Sequence[Run]], *, metric: Metric
) -> Verdict | None:
    """Judge the recommendation by the runs of its comparison, of which only the three cycles can move it.

    runs: of ours, and of as many others as are to be judged. None before any cycle came to its end.
    """
    judged = _judged(bounds, {label: runs[label] for label in FACTORS if label in runs}, metric)
    if judged is None:
        return None
    _, rows = compare(runs, metric=metric)
    best = next((row.label for row in rows if row.final and row.p_value is None and row.within_noise), OURS)
    won = next(row for row in rows if FACTORS.get(row.label) == judged.max_lr / bounds["max_lr"])
    advice = f"; {best} was better beyond the noise" if best not in FACTORS and not won.within_noise else ""
    by = f" ({TEST})" if judged.margin or advice else ""
    return replace(judged, message=f"{judged.message}{advice}{by}")


def _judged(bounds: Mapping[str, Any], cycles: Mapping[str, Sequence[Run]], metric: Metric) -> Verdict | None:
    _, rows = compare(cycles, metric=metric)
    by_label = {row.label: row for row in rows}
    sound = [row for row in rows if row.final is not None and not row.diverged]
    best = next((row for row in sound if row.p_value is None), None)
    ours = by_label[OURS]
    if best is None or best.final is None:
        return None
    if ours.diverged or ours.final is None:
        return _told(bounds, best.label, None, f"training at max_lr diverged, at {best.label} it did not")
    margin = abs(best.final.mean - ours.final.mean)
    if margin == 0:  # ours, or one that ends just where ours does
        return _told(bounds, OURS, 0.0, "nothing around it was better")
    if ours.within_noise:
        told = _told(bounds, OURS, margin, f"{best.label} was better, but within the noise")
        return (
            told
            if margin <= SMALL * (1 if metric == "accuracy" else ours.final.mean)
            else replace(told, outcome="undecided")
        )
    return _told(bounds, best.label, margin, f"{best.label} was better beyond the noise")


def _told(bounds: Mapping[str, Any], label: str, margin: float | None, message: str) -> Verdict:
    factor = FACTORS[label]
    return Verdict(
        outcome="confirmed" if label == OURS else "adjusted",
        base_lr=factor * bounds["base_lr"],
        max_lr=factor * bounds["max_lr"],
        margin=margin,
        message=message,
    )
