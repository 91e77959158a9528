"""The picture of a comparison: the held-out metric against the step, a colour a schedule, and their rates below."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from clr.comparison import Run
from clr.metric import Metric
from clr.plots.style import DOTTED, can_be_drawn, name_panel, new_figure, pick_colors, put_legend_below
from clr.policies import Schedule

GRID = 400  # steps at which the runs of one schedule are averaged
FEW = 8  # schedules whose bands and runs can be told apart


def draw_comparison(
    runs: Mapping[str, Sequence[Run]],
    schedules: Mapping[str, Schedule],
    *,
    metric: Metric,
    target: float | None,
    title: str,
) -> Figure:
    """Draw each schedule's mean over seeds, its single runs, one standard deviation to each side, and its rate.

    runs: of each label, in the order of the legend. schedules: as trained, of the labels that were.
    """
    colors = dict(zip(runs, pick_colors(len(runs)), strict=True))
    legend_rows = -(-(len(runs) + 3) // 3)
    with new_figure(title, height=5.6 + 0.2 * legend_rows) as figure:
        upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        shown = _draw_runs(upper, runs, metric, colors)
        if target is not None:
            upper.axhline(target, color="0.3", linewidth=1.0, linestyle=DOTTED)
        if shown:
            _zoom(upper, np.concatenate(list(shown.values())), metric, target)
        upper.set_ylabel(f"held-out {metric}")
        name_panel(upper, f"Held-out {metric}: {_count(runs)}")
        _draw_rates(lower, runs, schedules, colors)
        name_panel(lower, "Learning rate of each schedule")
        handles = [Line2D([], [], color=colors[label], linewidth=2.2, label=label) for label in runs]
        put_legend_below(
            figure, [*handles, *_explain(metric, target, seeds=bool(shown) and _draws_seeds(runs))]
        )
    return figure


def _count(runs: Mapping[str, Sequence[Run]]) -> str:
    seeds = sorted({len(of_schedule) for of_schedule in runs.values()}) or [0]
    most = f"{seeds[-1]} seed{'s' if seeds[-1] != 1 else ''}"
    return (
        f"{len(runs)} schedules, {most} each" if len(seeds) == 1 else f"{len(runs)} schedules, up to {most}"
    )


def _draw_runs(
    axes: Axes, runs: Mapping[str, Sequence[Run]], metric: Metric, colors: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """The means that were drawn, by label."""
    shown = {}
    for label, of_schedule in runs.items():
        steps, values = _on_one_grid(of_schedule, metric)
        if not len(values):
            continue
        mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1 if len(values) > 1 else 0)
        axes.plot(steps, mean, color=colors[label], linewidth=1.8, zorder=3)
        if len(runs) <= FEW and len(values) > 1:
            axes.plot(steps, values.T, color=colors[label], linewidth=0.6, alpha=0.45)
            axes.fill_between(
                steps, mean - spread, mean + spread, color=colors[label], alpha=0.15, linewidth=0
            )
        shown[label] = mean
    axes.spines.right.set_visible(False)
    return shown


def _draws_seeds(runs: Mapping[str, Sequence[Run]]) -> bool:
    """Whether single seeds and their spread are drawn beside the means."""
    return len(runs) <= FEW and any(len(of_schedule) > 1 for of_schedule in runs.values())


def _draw_rates(
    axes: Axes,
    runs: Mapping[str, Sequence[Run]],
    schedules: Mapping[str, Schedule],
    colors: Mapping[str, Any],
) -> None:
    for label, schedule in schedules.items():
        num_steps = max((run.num_steps for run in runs.get(label, ())), default=0)
        if num_steps:
            steps = np.unique(np.linspace(0, num_steps - 1, GRID).astype(int))
            axes.plot(steps, [schedule(int(step)) for step in steps], color=colors[label], linewidth=1.1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("step")
    axes.set_ylabel("learning rate")
    axes.spines.right.set_visible(False)


def _explain(metric: Metric, target: float | None, *, seeds: bool) -> list[Any]:
    """What is drawn beside the means. seeds: whether single ones are."""
    handles: list[Any] = []
    if seeds:
        handles += [
            Line2D([], [], color="0.3", linewidth=0.6, alpha=0.6, label="single seeds (thick: the mean)"),
            Patch(color="0.3", alpha=0.15, linewidth=0, label="one std over seeds"),
        ]
    if target is not None:
        label = f"target: {metric} {target:.4g}"
        handles.append(Line2D([], [], color="0.3", linewidth=1.0, linestyle=DOTTED, label=label))
    return handles


def _on_one_grid(runs: Sequence[Run], metric: Metric) -> tuple[np.ndarray, np.ndarray]:
    """Steps (n,) and the values of each run there (runs, n), as far as all of them went."""
    columns = [(np.asarray(run.looks["step"]), np.asarray(run.looks[metric])) for run in runs]
    columns = [(steps[can_be_drawn(values)], values[can_be_drawn(values)]) for steps, values in columns]
    columns = [(steps, values) for steps, values in columns if steps.size]
    if not columns:
        return np.empty(0), np.empty((0, 0))
    grid = np.linspace(max(steps[0] for steps, _ in columns), min(steps[-1] for steps, _ in columns), GRID)
    return grid, np.stack([np.interp(grid, steps, values) for steps, values in columns])


def _zoom(axes: Axes, values: np.ndarray, metric: Metric, target: float | None) -> None:
    """Show what differs: the best three quarters of what was seen, and the target."""
    low, high = np.quantile(values, (0.25, 1.0) if metric == "accuracy" else (0.0, 0.75))
    if target is not None:
        low, high = min(low, target), max(high, target)
    margin = 0.08 * max(high - low, 1e-6)
    if metric == "accuracy":
        axes.set_ylim(low - 4 * margin, min(high + margin, 1.005))
    else:
        axes.set_ylim(low - margin, high + 4 * margin)
