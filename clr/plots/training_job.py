"""The picture of a training job: its loss and held-out accuracy against the step, its rate below."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clr.plots.range_test import BASE_COLOR, COLORS, MAX_COLOR, STYLE
from clr.reading import smooth

Series = Mapping[str, Mapping[str, Any]]  # train and held_out, each its columns of equal length


def training_figure(
    series: Series, result: Mapping[str, Any] | None, *, title: str, otherwise: str = "running"
) -> Figure:
    """Draw the curve of one training job; the best cycle end is marked.

    result: of the job; None where it is not done: then the title says `otherwise`.
    """
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(8, 5.2), layout="constrained")
        upper, lower = drawn.subplots(2, sharex=True, height_ratios=(3, 1))
        _draw_loss(upper, series["train"])
        _draw_held_out(upper.twinx(), series["held_out"], result)
        lower.plot(series["train"]["step"], series["train"]["lr"], color="0.35", linewidth=1.2)
        lower.set_ylim(bottom=0)
        lower.set_ylabel("learning rate")
        lower.set_xlabel("step")
        upper.set_title(
            f"{title}: {_verdict(result) or otherwise}", loc="left", fontweight="bold", parse_math=False
        )
    return drawn


def _verdict(result: Mapping[str, Any] | None) -> str | None:
    final = (result or {}).get("final")
    if final is None:
        return None if result is None else "no cycle was completed"
    if final["loss"] is None:
        return "diverged"
    if final["accuracy"] is None:
        return f"held-out loss {final['loss']:.4g}"
    return f"held-out accuracy {final['accuracy']:.4f}"


def _draw_loss(axes: Axes, train: Mapping[str, Any]) -> None:
    steps, losses = np.asarray(train["step"]), np.asarray(train["loss"])
    finite = np.isfinite(losses)
    steps, losses = steps[finite], losses[finite]
    axes.plot(steps, losses, color=COLORS[0], alpha=0.15, linewidth=0.8)
    if losses.size:
        smoothed = smooth(losses, max(3, len(losses) // 50))
        axes.plot(steps, smoothed, color=COLORS[0], linewidth=1.2, linestyle=(0, (4, 2)))
        axes.set_ylim(min(0.0, float(losses.min())), 1.15 * max(float(smoothed.max()), 1e-12))
    axes.set_ylabel("training loss (dashed)")


def _draw_held_out(axes: Axes, held_out: Mapping[str, Any], result: Mapping[str, Any] | None) -> None:
    metric = "loss" if np.isnan(held_out["accuracy"]).all() else "accuracy"
    axes.plot(held_out["step"], held_out[metric], color=COLORS[1], linewidth=1.6)
    axes.set_ylabel(f"held-out {metric} (solid)")
    best = (result or {}).get("best")
    if best is not None:
        axes.plot(best["step"], best[metric], "o", color=MAX_COLOR, markersize=6)
        axes.annotate(
            f"best: {best[metric]:.4g}",
            (best["step"], best[metric]),
            xytext=(-4, -14),
            textcoords="offset points",
            ha="right",
            color=BASE_COLOR,
            fontsize=9,
        )
