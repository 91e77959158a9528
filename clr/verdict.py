"""A recommendation put to the test: short trainings around it at an equal budget, and what they say of it.

The paper's own advice (section 3.3 and its conclusions): look whether the bounds hold by training with them. Inside a
range test of effort thorough clr/halving.py says what is trained; POST /confirmations trains every contender.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import mean
from typing import Any

from clr.bounds import Bounds
from clr.comparison import TEST, Run, compare
from clr.confirmation import Confirmation, Tried, Verdict
from clr.contender import FACTORS, OURS, ContenderRun, group_runs, pick_metric
from clr.metric import Metric

SMALL = 0.01  # of accuracy, or of our loss: a difference that hardly matters
EDGE = "the bounds moved to the edge of what was tried: a confirmation of them tells whether further is better still"
UNDECIDED = "training was better at other bounds, but within the noise: look at the margin, or confirm with more seeds"
DIVERGED = (
    "training diverged at these bounds, and no cycle around them stayed in the comparison to move them to"
)


def confirm_bounds(bounds: Bounds, measured: Sequence[ContenderRun]) -> Bounds:
    """What a range test found, with what its runs say of it; the bounds are moved where training was better.

    Of moved ones the evidence keeps what the range test alone had said.
    """
    metric, runs = pick_metric(bounds), group_runs(bounds, measured)
    rounds = max(map(len, runs.values()))
    compared = {label: group for label, group in runs.items() if label == OURS or len(group) == rounds}
    verdict = find_verdict(bounds, compared, metric=metric)
    confirmation = Confirmation(
        outcome="not_possible" if verdict is None else verdict.outcome,
        metric=metric,
        margin=None if verdict is None else verdict.margin,
        message=DIVERGED if verdict is None else verdict.message,
        tried=tuple(_describe(measured, label, group, compared) for label, group in runs.items()),
        steps=sum(len(run.points) for run in measured),
    )
    if verdict is not None and verdict.outcome == "adjusted":
        bounds = _move(bounds, verdict)
    advice = {"not_possible": DIVERGED, "undecided": UNDECIDED, "adjusted": EDGE}.get(confirmation.outcome)
    warnings = (*bounds.warnings, *([advice] if advice else []))
    return replace(bounds, warnings=warnings, confirmation=confirmation)


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


def _move(bounds: Bounds, verdict: Verdict) -> Bounds:
    names = ("base_lr", "max_lr", "constant_lr")
    before = bounds.to_dict()
    factor = verdict.max_lr / bounds.max_lr
    fields: dict[str, Any] = {name: factor * before[name] for name in names}
    for name in ("base_lr", "max_lr"):
        low, high = before[f"{name}_interval"]
        fields[f"{name}_interval"] = (min(low, fields[name]), max(high, fields[name]))
        fields[f"rule_{name[:-3]}"] = "moved_by_training"
        fields[f"reason_{name[:-3]}"] = f"the range test said {before[name]:.4g}, but {verdict.message}"
    fields["sensitivity"] = None  # that of other rates; training has just measured half and double of them
    evidence = {**bounds.evidence, "range_test": {name: before[name] for name in fields}}
    return replace(bounds, **fields, evidence=evidence)


def _describe(
    measured: Sequence[ContenderRun], label: str, runs: Sequence[Run], compared: Mapping[str, Any]
) -> Tried:
    finals = tuple(run.final for run in runs)
    sound = [final for final in finals if final is not None]
    return Tried(
        label=label,
        schedule=next(run.plan.schedule for run in measured if run.plan.label == label),
        seeds=tuple(run.seed for run in runs),
        finals=finals,
        mean=mean(sound) if sound else None,
        dropped_after=None if label in compared else len(runs),
    )
