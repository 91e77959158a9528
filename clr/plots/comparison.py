"""The picture of a comparison: the held-out metric against the step, a line a schedule, a band over its seeds."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from clr.comparison import Metric, Run
from clr.plots.range_test import STYLE

GRID = 400  # steps at which the runs of one schedule are averaged


def comparison_figure(
    runs: Mapping[str, Sequence[Run]], *, metric: Metric, target: float | None, title: str
) -> Figure:
    """Draw the mean over seeds, and one standard deviation to each side of it."""
    colors = mpl.colormaps["tab20" if len(runs) > 10 else "tab10"]
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(8.5, 5), layout="constrained")
        axes = drawn.subplots()
        shown = []
        for index, (label, of_label) in enumerate(runs.items()):
            steps, values = _on_one_grid(of_label, metric)
            if not len(values):
                continue
            middle, spread = values.mean(axis=0), values.std(axis=0, ddof=1 if len(values) > 1 else 0)
            axes.plot(steps, middle, color=colors(index), linewidth=1.5, label=label)
            axes.fill_between(
                steps, middle - spread, middle + spread, color=colors(index), alpha=0.15, linewidth=0
            )
            shown.append(middle)
        if target is not None:
            axes.axhline(target, color="0.4", linewidth=0.8, linestyle=":")
        if shown:
            _zoom(axes, np.concatenate(shown), metric)
            axes.legend(
                frameon=False, fontsize=8, loc="lower right" if metric == "accuracy" else "upper right"
            )
        axes.set_xlabel("step")
        axes.set_ylabel(f"held-out {metric}")
        axes.set_title(title, loc="left", fontweight="bold", parse_math=False)
    return drawn


def _on_one_grid(runs: Sequence[Run], metric: Metric) -> tuple[np.ndarray, np.ndarray]:
    """Steps (n,) and the values of each run there (runs, n), as far as all of them went."""
    columns = [(np.asarray(run.looks["step"]), np.asarray(run.looks[metric])) for run in runs]
    columns = [(steps[np.isfinite(values)], values[np.isfinite(values)]) for steps, values in columns]
    columns = [(steps, values) for steps, values in columns if steps.size]
    if not columns:
        return np.empty(0), np.empty((0, 0))
    grid = np.linspace(max(steps[0] for steps, _ in columns), min(steps[-1] for steps, _ in columns), GRID)
    return grid, np.stack([np.interp(grid, steps, values) for steps, values in columns])


def _zoom(axes: "mpl.axes.Axes", values: np.ndarray, metric: Metric) -> None:
    """Show what differs: the best three quarters of what was seen."""
    low, high = np.quantile(values, (0.25, 1.0) if metric == "accuracy" else (0.0, 0.75))
    margin = 0.08 * max(high - low, 1e-6)
    axes.set_ylim(low - 4 * margin, high + margin) if metric == "accuracy" else axes.set_ylim(
        low - margin, high + 4 * margin
    )
