"""The picture of a training job: its losses and held-out accuracy against the step, its rate below."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from clr.plots.style import (
    DASHED,
    DOTTED,
    MAX_COLOR,
    PALETTE,
    can_be_drawn,
    name_panel,
    new_figure,
    put_legend_below,
)
from clr.reading import smooth
from clr.training_result import TrainingResult

Series = Mapping[str, Mapping[str, Any]]  # train and held_out, each its columns of equal length


def draw_training_job(
    series: Series, result: TrainingResult | None, *, title: str, otherwise: str = "running"
) -> Figure:
    """Draw the curve of one training job; the best look at a cycle's end is marked.

    result: of the job; None where it is not done: then the title says `otherwise`.
    """
    with new_figure(f"{title}: {otherwise if result is None else _summarize(result)}", height=5.8) as figure:
        upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        handles = _draw_losses(upper, series)
        handles += _draw_accuracy(upper, series["held_out"])
        handles += _mark_best(figure.axes[-1], result)
        name_panel(upper, "Training and held-out set")
        lower.plot(series["train"]["step"], series["train"]["lr"], color="0.3", linewidth=1.2)
        lower.set_ylim(bottom=0)
        lower.set_ylabel("learning rate")
        lower.set_xlabel("step")
        lower.spines.right.set_visible(False)
        name_panel(lower, f"Schedule: {result.schedule['policy']}" if result else "Schedule")
        put_legend_below(figure, handles)
    return figure


def _summarize(result: TrainingResult) -> str:
    final = result.final
    if final is None:
        return "no cycle was completed"
    if final.loss is None:
        return "diverged"
    if final.accuracy is None:
        return f"held-out loss {final.loss:.4g}"
    return f"held-out accuracy {final.accuracy:.4f}"


def _draw_losses(axes: Axes, series: Series) -> list[Any]:
    """Draw both losses on one axis; the legend's handles."""
    blue, handles, levels = PALETTE[0], list[Any](), list[float]()
    steps, losses = _drawable(series["train"])
    if losses.size:
        axes.plot(steps, losses, color=blue, alpha=0.2, linewidth=0.8)
        smoothed = smooth(losses, max(3, len(losses) // 50))
        axes.plot(steps, smoothed, color=blue, linewidth=1.3, linestyle=DASHED)
        levels += [float(losses.min()), float(smoothed.max())]
        handles += [
            Line2D([], [], color=blue, alpha=0.3, linewidth=0.8, label="training loss, each batch"),
            Line2D([], [], color=blue, linestyle=DASHED, label="training loss, smoothed"),
        ]
    steps, losses = _drawable(series["held_out"])
    if losses.size:
        axes.plot(steps, losses, color=PALETTE[2], linewidth=1.5, linestyle=DOTTED)
        levels += [float(losses.min()), float(losses[0])]
        handles.append(Line2D([], [], color=PALETTE[2], linestyle=DOTTED, label="held-out loss"))
    if levels:
        lowest = min(0.0, *levels)
        axes.set_ylim(lowest, lowest + 1.15 * max(max(levels) - lowest, 1e-12))
    axes.set_ylabel("loss")
    return handles


def _draw_accuracy(axes: Axes, held_out: Mapping[str, Any]) -> list[Any]:
    accuracy = np.asarray(held_out["accuracy"], dtype=float)
    if not np.isfinite(accuracy).any():
        axes.spines.right.set_visible(False)
        return []
    right = axes.twinx()
    right.plot(held_out["step"], accuracy, color=PALETTE[1], linewidth=1.8)
    right.set_ylabel("held-out accuracy")
    right.set_ylim(0, 1.02)
    return [Line2D([], [], color=PALETTE[1], linewidth=1.8, label="held-out accuracy")]


def _mark_best(axes: Axes, result: TrainingResult | None) -> list[Any]:
    """Mark the best cycle end; axes: those of what it was judged by."""
    if result is None or (best := result.best) is None or best.loss is None:
        return []
    metric, value = ("loss", best.loss) if best.accuracy is None else ("accuracy", best.accuracy)
    label = f"best cycle end: {metric} {value:.4g}, step {best.step:,}"
    return axes.plot(
        best.step,
        value,
        "o",
        color=MAX_COLOR,
        markersize=6,
        clip_on=False,
        linestyle="",
        label=label,
    )


def _drawable(columns: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The steps (n,) and the losses (n,), as far as they can be drawn."""
    steps, losses = np.asarray(columns["step"]), np.asarray(columns["loss"], dtype=float)
    drawn = can_be_drawn(losses)
    return steps[drawn], losses[drawn]
