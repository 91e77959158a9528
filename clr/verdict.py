"""What the trainings of `POST /confirmations` say of a recommendation: cycles around it at an equal budget, and others.

The paper's own advice (section 3.3 and its conclusions): look whether the bounds hold by training with them. Inside a
range test of effort thorough clr/climb.py does so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from clr.bounds import Bounds
from clr.comparison import TEST, Run, compare
from clr.confirmation import Verdict
from clr.contender import FACTORS, OURS
from clr.metric import Metric

SMALL = 0.01  # of accuracy, or of our loss: a difference that hardly matters


def find_verdict(bounds: Bounds, runs: Mapping[str, Sequence[Run]], *, metric: Metric) -> Verdict | None:
    """Judge the recommendation by the runs of its comparison, of which only the three cycles can move it.

    runs: of ours, and of as many others as are to be judged. None before any cycle came to its end.
    """
    cycles = _judge_cycles(bounds, {label: runs[label] for label in FACTORS if label in runs}, metric)
    if cycles is None:
        return None
    _, rows = compare(runs, metric=metric)
    best = next((row.label for row in rows if row.final and row.p_value is None and row.within_noise), OURS)
    won = next(row for row in rows if FACTORS.get(row.label) == cycles.max_lr / bounds.max_lr)
    advice = f"; {best} was better beyond the noise" if best not in FACTORS and not won.within_noise else ""
    by = f" ({TEST})" if cycles.margin or advice else ""
    return replace(cycles, message=f"{cycles.message}{advice}{by}")


def _judge_cycles(bounds: Bounds, cycles: Mapping[str, Sequence[Run]], metric: Metric) -> Verdict | None:
    _, rows = compare(cycles, metric=metric)
    by_label = {row.label: row for row in rows}
    sound = [row for row in rows if row.final is not None and not row.diverged]
    best = next((row for row in sound if row.p_value is None), None)
    ours = by_label[OURS]
    if best is None or best.final is None:
        return None
    if ours.diverged or ours.final is None:
        return _choose(bounds, best.label, None, f"training at max_lr diverged, at {best.label} it did not")
    margin = abs(best.final.mean - ours.final.mean)
    if margin == 0:  # ours, or one that ends just where ours does
        return _choose(bounds, OURS, 0.0, "nothing around it was better")
    if ours.within_noise:
        verdict = _choose(bounds, OURS, margin, f"{best.label} was better, but within the noise")
        small = margin <= SMALL * (1 if metric == "accuracy" else ours.final.mean)
        return verdict if small else replace(verdict, outcome="undecided")
    return _choose(bounds, best.label, margin, f"{best.label} was better beyond the noise")


def _choose(bounds: Bounds, label: str, margin: float | None, message: str) -> Verdict:
    factor = FACTORS[label]
    return Verdict(
        outcome="confirmed" if label == OURS else "adjusted",
        base_lr=factor * bounds.base_lr,
        max_lr=factor * bounds.max_lr,
        margin=margin,
        message=message,
    )
