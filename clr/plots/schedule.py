"""The picture of a schedule: its rate at every step, its cycles and its bounds."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from clr.plots.style import BASE_COLOR, DOTTED, MAX_COLOR, PALETTE, new_figure
from clr.policies import Schedule
from clr.preview import Preview

POINTS = 100_000  # drawn at most
MOST_CYCLES = 50  # that are told apart by a line


def draw_schedule(schedule: Schedule, num_steps: int, *, title: str) -> Figure:
    """Draw lr(step) over steps 0 .. num_steps - 1; dotted lines are its bounds and the ends of its cycles."""
    steps = np.unique(np.linspace(0, num_steps - 1, min(num_steps, POINTS)).astype(int))
    drawn_at = Preview.of(schedule, steps.tolist())
    with new_figure(title, height=3.4) as figure:
        axes = figure.subplots()
        axes.plot(drawn_at.step, drawn_at.lr, color=PALETTE[0], linewidth=1.6)
        for name, color in (("base_lr", BASE_COLOR), ("max_lr", MAX_COLOR)):
            bound: Any = getattr(schedule, name, None)
            if bound is not None:
                axes.axhline(bound, color=color, linewidth=0.9, linestyle=DOTTED)
                axes.annotate(
                    f"{name} {bound:g}",
                    (1, bound),
                    xycoords=("axes fraction", "data"),
                    xytext=(4, 0),
                    textcoords="offset points",
                    va="center",
                    color=color,
                    fontsize=9,
                )
        begins_at = np.flatnonzero(np.diff([cycle or 0 for cycle in drawn_at.cycle])) + 1
        for begins in begins_at if len(begins_at) <= MOST_CYCLES else ():
            axes.axvline(drawn_at.step[begins], color="0.8", linewidth=0.8, linestyle=DOTTED, zorder=0)
        axes.spines.right.set_visible(False)
        axes.set_xlim(0, max(1, num_steps - 1))
        axes.set_ylim(bottom=0)
        axes.set_xlabel("step")
        axes.set_ylabel("learning rate")
    return figure
