"""The picture of a range test: what was measured of each seed, and the bounds it led to.

Figures are built without pyplot, so that servers and threads may draw.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clr.ranges import choose_range
from clr.reading import Reading, read_score, smooth
from clr.sweep import Sweep

COLORS = ("#1f6fb4", "#d95f0e", "#3a923a", "#8d5fb8", "#8c564b")
BASE_COLOR, MAX_COLOR = "#2b8a6e", "#b4233c"
STYLE: Any = {"svg.hashsalt": "clr-tuner", "svg.fonttype": "none", "font.size": 10, "axes.spines.top": False}
MARGIN = 1.05  # to the right of max_lr, which may lie beyond the range that is drawn
HEADROOM = 1.15  # of an axis above its data, for the names of the bounds


def figure(
    sweeps: Sequence[Sweep], result: Mapping[str, Any] | None, *, title: str, otherwise: str = "running"
) -> Figure:
    """Draw the range that the bounds were read from, and the scout below it.

    result: `to_dict()` of `Bounds` or `Inconclusive`; None where nothing is found: then the title says `otherwise`.
    """
    tests = [sweep for sweep in sweeps if sweep.plan.phase == "test"]
    scouts = [sweep for sweep in sweeps if sweep.plan.phase == "scout"]
    best_range = [reading.sweep for reading in choose_range(list(map(Reading, tests)))] if tests else []
    rows = [group for group in (best_range, scouts) if group]
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(8, 4.4 * len(rows)), layout="constrained")
        for axes, group in zip(drawn.subplots(len(rows), squeeze=False)[:, 0], rows, strict=True):
            _draw(axes, group)
            if result is not None and "max_lr" in result:
                _mark(axes, result)
        drawn.axes[0].set_title(
            f"{title}: {_verdict(result) or otherwise}", loc="left", fontweight="bold", parse_math=False
        )
    return drawn


def render(drawn: Figure, format: Literal["svg", "png", "pdf"]) -> bytes:
    """The picture as a file; the same figure gives the same bytes."""
    written = io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(format)
    with mpl.rc_context(STYLE):
        drawn.savefig(written, format=format, dpi=120, metadata=metadata)
    return written.getvalue()


def _verdict(result: Mapping[str, Any] | None) -> str | None:
    if result is None:
        return None
    if "why" in result:
        return f"inconclusive: {result['why']}"
    return f"base_lr {result['base_lr']:.3g}, max_lr {result['max_lr']:.3g}"


def _draw(axes: Axes, sweeps: Sequence[Sweep]) -> None:
    plan = sweeps[0].plan
    highest = -np.inf
    for color, sweep in zip(COLORS * len(sweeps), sweeps, strict=False):
        lrs = np.array([point.lr for point in sweep.points])
        losses = np.array([point.loss for point in sweep.points])
        finite = np.isfinite(losses)
        if not finite.any():
            continue
        axes.plot(lrs[finite], losses[finite], color=color, alpha=0.15, linewidth=0.8)
        smoothed = smooth(losses[finite], max(3, len(losses) // 20))
        axes.plot(lrs[finite], smoothed, color=color, linewidth=1.2, linestyle=(0, (4, 2)))
        highest = max(highest, float(smoothed[: max(1, len(smoothed) // 10)].max()))
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss (dashed)")
    axes.set_xscale("log" if plan.shape == "exponential" else "linear")
    axes.set_xlim(plan.start_lr, plan.end_lr)
    if np.isfinite(highest):
        lowest = min(0.0, *(p.loss for sweep in sweeps for p in sweep.points if np.isfinite(p.loss)))
        axes.set_ylim(lowest, lowest + 1.2 * HEADROOM * max(highest - lowest, 1e-12))
    _draw_held_out(axes, sweeps)


def _draw_held_out(axes: Axes, sweeps: Sequence[Sweep]) -> None:
    right = axes.twinx()
    for color, sweep in zip(COLORS * len(sweeps), sweeps, strict=False):
        measured = read_score(sweep)
        if measured is None or measured.metric == "loss":
            continue
        sign = 1 if measured.metric == "accuracy" else -1
        right.plot(measured.lr, sign * measured.raw, ".", color=color, markersize=2.5, alpha=0.35)
        right.plot(
            measured.lr, sign * measured.smooth, color=color, linewidth=1.8, label=f"seed {sweep.plan.seed}"
        )
        right.set_ylabel(measured.metric.replace("_", "-") + " (solid)")
        if measured.metric == "accuracy":
            right.set_ylim(0, HEADROOM)
            right.set_yticks(np.linspace(0, 1, 6))
    if right.lines:
        right.legend(loc="center right", frameon=False)
    else:
        right.set_yticks([])


def _mark(axes: Axes, result: Mapping[str, Any]) -> None:
    axes.set_xlim(right=max(axes.get_xlim()[1], MARGIN * result["max_lr"]))
    for name, color, side in (("base_lr", BASE_COLOR, "right"), ("max_lr", MAX_COLOR, "left")):
        low, high = result[f"{name}_interval"]
        across = axes.transAxes.inverted().transform(axes.transData.transform((result[name], 0)))[0]
        side = "right" if across > 0.85 else "left" if across < 0.15 else side
        axes.axvspan(low, high, color=color, alpha=0.12, linewidth=0)
        axes.axvline(result[name], color=color, linewidth=1.5)
        axes.annotate(
            f"{name}\n{result[name]:.3g}",
            (result[name], 0.98),
            xycoords=("data", "axes fraction"),
            xytext=(-4 if side == "right" else 4, 0),
            ha=side,
            textcoords="offset points",
            color=color,
            va="top",
            fontsize=9,
        )
