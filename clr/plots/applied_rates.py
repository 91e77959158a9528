"""The picture of a check: the rates that updates used, over those that the schedule has for them."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure

from clr.plots.style import DASHED, MAX_COLOR, PALETTE, new_figure, put_legend_below

POINTS = 100_000  # drawn at most


def draw_applied_rates(
    steps: Sequence[int], applied: Sequence[float], plan: Callable[[int], float], *, title: str
) -> Figure:
    """Draw planned (dashed) and applied lr of each step."""
    shown = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), POINTS)).astype(int)).tolist()
    at = [steps[index] for index in shown]
    with new_figure(title, height=3.4) as figure:
        axes = figure.subplots()
        lines = [
            *axes.plot(at, [applied[index] for index in shown], color=PALETTE[0], label="applied"),
            *axes.plot(at, [plan(step) for step in at], color=MAX_COLOR, linestyle=DASHED, label="planned"),
        ]
        axes.spines.right.set_visible(False)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("step")
        axes.set_ylabel("learning rate")
        put_legend_below(figure, lines)
    return figure
