"""What a job found, in plain words for a terminal."""

from collections.abc import Iterable, Mapping
from typing import Any

from clr.bounds import Bounds, read_answer
from clr.confirmation import Confirmation, Verdict
from clr.sensitivity import Sensitivity
from clr.spread import Spread
from clr.training_result import CycleEnd
from clr_tuner.analysis import Analysis
from clr_tuner.commands.terminal import columns
from clr_tuner.comparison import Comparison, Row
from clr_tuner.training_job import TrainingJob


def describe_bounds(bounds: Bounds) -> str:
    """Both learning rates with their intervals, and the reason of each in a sentence; then what else is known."""
    lines = []
    for name, lr, (low, high), reason in (
        ("base_lr", bounds.base_lr, bounds.base_lr_interval, bounds.reason_base),
        ("max_lr", bounds.max_lr, bounds.max_lr_interval, bounds.reason_max),
    ):
        spread = f"   between {low:.4g} and {high:.4g}" if low < high else ""
        lines += [f"{name:<8} {lr:<10.4g}{spread}".rstrip(), f"         {reason}"]
    lines.append(f"constant_lr {bounds.constant_lr:.4g} (for training without cycles)")
    lines.append(f"step_size {bounds.step_size} steps (half a cycle)")
    if bounds.for_budget is not None:
        lines += _describe_budget(bounds.for_budget)
    lines += _describe_sensitivity(bounds.sensitivity)
    if bounds.confirmation is not None:
        lines += _describe_confirmation(bounds.confirmation)
    if bounds.cost:
        unread = bounds.cost.get("unread_steps", 0)
        ahead = f", and {unread:,} steps of idle slots that were not asked for" if unread else ""
        lines.append(f"cost {bounds.cost['steps']:,} steps, {bounds.cost['seconds']:.1f} s{ahead}")
    lines += [f"warning: {warning}" for warning in bounds.warnings]
    return "\n".join(lines)


def _describe_budget(budget: Mapping[str, Any]) -> list[str]:
    """The cycles that fit it, and the rates for it; an older service tells none."""
    lines = ["for {num_steps} steps: {num_cycles} cycles with step_size {step_size}".format(**budget)]
    if "policy" in budget:
        rates = (
            "constant_lr {constant_lr:.4g}"
            if budget["policy"] == "fixed"
            else "base_lr {base_lr:.4g}, max_lr {max_lr:.4g}"
        )
        lines.append(f"for so long a {budget['policy']}: {rates.format(**budget)} ({budget['basis']})")
        lines.append(f"         {budget['reason']}")
    return lines


def _describe_sensitivity(sensitivity: Sensitivity | None) -> list[str]:
    """What a wrong max_lr costs; no line where that is not known."""
    if sensitivity is None:
        return []
    known = {
        by: lost for by, lost in ((2, sensitivity.off_by_2), (4, sensitivity.off_by_4)) if lost is not None
    }
    if not known:
        return []
    costs = ", ".join(f"off by {by} x up to {lost:.2g}" for by, lost in known.items())
    return [f"a wrong max_lr costs, in {sensitivity.metric.replace('_', ' ')}: {costs}"]


def _describe_confirmation(confirmation: Confirmation) -> list[str]:
    """The last word of training, and a line for each contender."""
    rows = [["", "TRIED", f"MEAN {confirmation.metric.upper()}", "RUNS"]]
    for tried in confirmation.tried:
        value = "diverged" if None in tried.finals else f"{tried.mean:.4g}"
        rows.append(["", tried.label, value, str(len(tried.finals))])
    outcome = confirmation.outcome.replace("_", " ")
    return [f"training: {outcome}, {_margin(confirmation.margin)}{confirmation.message}", columns(rows)]


def describe_verdict(verdict: Verdict | None) -> str:
    """What a confirmation says of the bounds."""
    if verdict is None:
        return "no verdict: no cycle came to its end"
    rates = f"base_lr {verdict.base_lr:.4g}, max_lr {verdict.max_lr:.4g}"
    return f"{verdict.outcome}: {rates}\n{_margin(verdict.margin)}{verdict.message}"


def _margin(margin: float | None) -> str:
    return f"margin {margin:.2g}: " if margin else ""


def describe_analysis(analysis: Analysis) -> str:
    """Which rule was asked of a stored curve, and what it says."""
    result = analysis.result
    if analysis.outcome in ("inconclusive", "bounds_found"):
        answer = read_answer(result)
        said = describe_bounds(answer) if isinstance(answer, Bounds) else str(answer)
        return f"{analysis.analyzer}\n{said}"
    lr = "none" if result["lr"] is None else f"{result['lr']:.4g}"
    return f"{analysis.analyzer}: lr {lr}\n{result['note']}"


def describe_training(job: TrainingJob) -> str:
    """What a training job trained and how well, each on a line, and its warnings."""
    lines = []
    if result := job.result:
        early = ", stopped early" if result.stopped_early else ""
        epoch = f" ({result.steps_per_epoch} an epoch)" if result.steps_per_epoch else ""
        lines = [
            f"schedule  {_schedule(result.schedule)}",
            f"num_steps {result.num_steps}{epoch}{early}",
        ]
        for name, end in (("final", result.final), ("best", result.best)):
            lines.append(f"{name:<9} {_cycle_end(end) if end else 'no cycle came to its end'}")
    return "\n".join([*lines, *(f"warning: {warning}" for warning in job.warnings)])


def describe_comparison(comparison: Comparison) -> str:
    """A line for each entry as far as it is known, with the test that its p-values are of, and warnings."""
    lines = []
    if not comparison.is_final:
        progress = comparison.progress
        lines.append(
            f"{comparison.status}: {progress['completed']} of {progress['total']} {progress['unit']}"
        )
    if comparison.metric is not None:
        metric = comparison.metric.upper()
        target = "TARGET" if comparison.target is None else f"{comparison.target:.4g}"
        header = ["", "LABEL", f"FINAL {metric}", f"BEST {metric}", f"STEPS TO {target}", "P"]
        lines += [
            columns([header, *map(_cells, comparison.rows)]),
            f"* the best, and what is within noise of it: {comparison.test}",
        ]
    return "\n".join([*lines, *(f"warning: {warning}" for warning in comparison.warnings)])


def _cells(row: Row) -> list[str | None]:
    steps = "never" if row.steps_to_target is None else f"{row.steps_to_target:g}"
    p_value = "best" if row.p_value is None else f"{row.p_value:.2g}"
    return [
        "*" if row.within_noise else None,
        row.label,
        _spread(row.final),
        _spread(row.best),
        f"{steps} ({row.reached}/{len(row.jobs)})",
        p_value if row.final else None,
    ]


def _spread(spread: Spread | None) -> str | None:
    if spread is None:
        return None
    return f"{spread.mean:.4g}" if spread.std is None else f"{spread.mean:.4g} ± {spread.std:.2g}"


def _schedule(schedule: Mapping[str, Any]) -> str:
    given = {name: value for name, value in schedule.items() if value is not None and name != "policy"}
    shown = {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in given.items()}
    return " ".join([schedule["policy"], *(f"{name}={value}" for name, value in shown.items())])


def _cycle_end(end: CycleEnd) -> str:
    accuracy = [] if end.accuracy is None else [f"accuracy {end.accuracy:.4g}"]
    loss = "loss not finite" if end.loss is None else f"loss {end.loss:.4g}"
    return ", ".join([*accuracy, loss, f"cycle {end.cycle}, step {end.step}"])


def describe_params(schema: Mapping[str, Any]) -> str:
    """The parameters of a JSON Schema with their defaults, on one line."""
    properties: Iterable[tuple[str, Any]] = schema.get("properties", {}).items()
    return ", ".join(
        f"{name}={spec['default']}" if "default" in spec else f"{name} (required)"
        for name, spec in properties
    )
