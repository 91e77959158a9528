"""The picture of a range test: what was measured of each seed, and the bounds it led to."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from clr.plots.style import (
    BASE_COLOR,
    DASHED,
    DOTTED,
    MAX_COLOR,
    PALETTE,
    can_be_drawn,
    name_panel,
    new_figure,
    pick_colors,
    put_legend_below,
)
from clr.ranges import choose_range
from clr.reading import Reading, Score, read_score, smooth
from clr.sweep import Sweep

MARGIN = 1.05  # beside the bounds, which may lie beyond the range that is drawn
HEADROOM = 1.15  # of the loss above where it starts
WIDE = 20.0  # end_lr / base_lr from which on a linear axis would squeeze base_lr into its edge
MANY_SEEDS = 6  # that are listed one by one
Colors = Mapping[str, Any]  # by what they stand for
DIVERGED = Line2D([], [], color="0.3", marker="x", linestyle="", label="the loss diverged: sweep ended")


class Rates(Protocol):
    """What is marked on the curve: both rates and their intervals, as `Bounds` have them."""

    @property
    def base_lr(self) -> float: ...
    @property
    def max_lr(self) -> float: ...
    @property
    def base_lr_interval(self) -> tuple[float, float]: ...
    @property
    def max_lr_interval(self) -> tuple[float, float]: ...


def draw_range_test(sweeps: Sequence[Sweep], rates: Rates | None, *, title: str) -> Figure:
    """Draw the range that the rates were read from, the scout below it, and probes over the upper of them.

    rates: None where there are none.
    """
    tests = [sweep for sweep in sweeps if sweep.plan.phase == "test"]
    scouts = [sweep for sweep in sweeps if sweep.plan.phase == "scout"]
    probes = [sweep for sweep in sweeps if sweep.plan.phase == "probe"]
    best_range = [reading.sweep for reading in choose_range(list(map(Reading, tests)))] if tests else []
    panels = [group for group in (best_range, scouts) if group]
    colors = _choose_colors([*chain(*panels)], probes)
    with new_figure(title, height=1.2 + 3.5 * len(panels)) as figure:
        kinds: dict[str, Any] = {}
        over = [probes, []]
        for axes, group in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
            kinds |= _draw_panel(axes, group, over.pop(0), colors, rates)
        put_legend_below(figure, [*_explain_colors(colors), *kinds.values(), *_explain_rates(rates)])
    return figure


def _choose_colors(sweeps: Sequence[Sweep], probes: Sequence[Sweep]) -> Colors:
    """One for each seed in their order, and that of the page for probes."""
    seeds = sorted({sweep.plan.seed for sweep in sweeps})
    palette = pick_colors(max(len(PALETTE), len(seeds) + 1) if probes else len(seeds))
    names = [f"seed {seed}" for seed in seeds]
    return dict(zip(names, palette, strict=False)) | {_name(probe): palette[-1] for probe in probes}


def _name(sweep: Sweep) -> str:
    """What its colour stands for."""
    plan = sweep.plan
    return f"Probe, {plan.num_steps:,} steps" if plan.phase == "probe" else f"seed {plan.seed}"


def _draw_panel(
    axes: Axes, sweeps: Sequence[Sweep], probes: Sequence[Sweep], colors: Colors, rates: Rates | None
) -> dict[str, Any]:
    """Draw the sweeps of one range and the probes; the legend's handle of each kind of line that is there."""
    plan, log = sweeps[0].plan, _wants_log(sweeps, rates)
    axes.set_xlabel("learning rate (log scale)" if log else "learning rate")
    axes.set_xscale("log" if log else "linear")
    axes.set_xlim(plan.start_lr, plan.end_lr)
    drawn = [*sweeps, *probes]
    kinds = _draw_losses(axes, drawn, colors) | _draw_scores(axes, drawn, colors)
    if rates is not None:
        _mark_rates(axes, rates)
    name_panel(axes, _describe(sweeps))
    return kinds


def _describe(sweeps: Sequence[Sweep]) -> str:
    plan = sweeps[0].plan
    passes = "1 sweep" if len(sweeps) == 1 else f"{len(sweeps)} sweeps"
    steps = f"{plan.num_steps:,} steps each" if len(sweeps) > 1 else f"{plan.num_steps:,} steps"
    what = "Scout" if plan.phase == "scout" else "Test"
    return f"{what}: {passes}, {plan.shape}, lr {plan.start_lr:.3g} to {plan.end_lr:.3g}, {steps}"


def _wants_log(sweeps: Sequence[Sweep], rates: Rates | None) -> bool:
    plan = sweeps[0].plan
    return plan.shape == "exponential" or (rates is not None and plan.end_lr > WIDE * rates.base_lr)


def _draw_losses(axes: Axes, sweeps: Sequence[Sweep], colors: Colors) -> dict[str, Any]:
    kinds: dict[str, Any] = {}
    levels: list[float] = []
    for sweep in sweeps:
        lrs, losses = _drawable([(point.lr, point.loss) for point in sweep.points])
        if not losses.size:
            axes.text(0.5, 0.5, "no loss can be drawn", transform=axes.transAxes, ha="center", color="0.4")
            continue
        color = colors[_name(sweep)]
        axes.plot(lrs, losses, color=color, alpha=0.15, linewidth=0.8)
        smoothed = smooth(losses, max(3, len(sweep.points) // 20))
        axes.plot(lrs, smoothed, color=color, linewidth=1.2, linestyle=DASHED)
        levels += [float(losses.min()), float(smoothed[: max(1, len(smoothed) // 10)].max())]
        kinds["batch"] = Line2D(
            [], [], color="0.3", alpha=0.3, linewidth=0.8, label="training loss, each batch"
        )
        kinds["loss"] = Line2D([], [], color="0.3", linestyle=DASHED, label="training loss, smoothed")
        held_out_lrs, held_out = _drawable([(look.lr, look.loss) for look in sweep.held_out])
        if held_out.size:
            axes.plot(held_out_lrs, held_out, color=color, linewidth=1.4, linestyle=DOTTED)
            levels += [float(held_out.min()), float(held_out[0])]
            kinds["held_out"] = Line2D([], [], color="0.3", linestyle=DOTTED, label="held-out loss")
        if sweep.broke_off:
            edge = axes.get_xaxis_transform()  # where it went is beyond the axis, mostly
            axes.plot(lrs[-1], 1.0, "x", color=color, markersize=7, transform=edge, clip_on=False)
            kinds["diverged"] = DIVERGED
    axes.set_ylabel("loss")
    if levels:
        lowest = min(0.0, *levels)
        axes.set_ylim(lowest, lowest + HEADROOM * max(max(levels) - lowest, 1e-12))
    return kinds


def _draw_scores(axes: Axes, sweeps: Sequence[Sweep], colors: Colors) -> dict[str, Any]:
    """Held-out accuracy on an axis of its own, where there are classes."""
    scores = [(_name(sweep), score) for sweep in sweeps if (score := _accuracy(sweep)) is not None]
    if not scores:
        axes.spines.right.set_visible(False)
        return {}
    right = axes.twinx()
    for name, score in scores:
        right.plot(score.lr, score.raw, ".", color=colors[name], markersize=3, alpha=0.35)
        right.plot(score.lr, score.smooth, color=colors[name], linewidth=1.8)
    right.set_ylabel("held-out accuracy")
    right.set_ylim(0, 1.02)
    right.set_yticks(np.linspace(0, 1, 6))
    return {
        "look": Line2D([], [], color="0.3", marker=".", linestyle="", label="held-out accuracy, each look"),
        "accuracy": Line2D([], [], color="0.3", linewidth=1.8, label="held-out accuracy, smoothed"),
    }


def _accuracy(sweep: Sweep) -> Score | None:
    score = read_score(sweep)
    return score if score is not None and score.metric == "accuracy" else None


def _drawable(values: Sequence[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
    """The rates (n,) and what was measured at each (n,), as far as it can be drawn."""
    columns = np.array(values, dtype=float).reshape(-1, 2)
    columns = columns[can_be_drawn(columns[:, 1])]
    return columns[:, 0], columns[:, 1]


def _mark_rates(axes: Axes, rates: Rates) -> None:
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, rates.base_lr / MARGIN), max(high, MARGIN * rates.max_lr))
    for _, lr, interval, color in _list_rates(rates):
        axes.axvspan(*interval, color=color, alpha=0.15, linewidth=0)
        axes.axvline(lr, color=color, linewidth=1.6)


def _list_rates(rates: Rates) -> Iterator[tuple[str, float, tuple[float, float], str]]:
    """(name, rate, interval, color) of both."""
    yield "base_lr", rates.base_lr, rates.base_lr_interval, BASE_COLOR
    yield "max_lr", rates.max_lr, rates.max_lr_interval, MAX_COLOR


def _explain_colors(colors: Colors) -> list[Any]:
    shown = {name: Line2D([], [], color=color, linewidth=3, label=name) for name, color in colors.items()}
    seeds = [name for name in shown if name.startswith("seed")]
    if len(seeds) > MANY_SEEDS:
        shown[seeds[0]].set_label(f"seeds {seeds[0][5:]} to {seeds[-1][5:]}, a colour each")
        for name in seeds[1:]:
            del shown[name]
    return list(shown.values())


def _explain_rates(rates: Rates | None) -> list[Any]:
    """The lines of both bounds and what their bands are."""
    handles: list[Any] = []
    if rates is None:
        return handles
    for name, lr, (low, high), color in _list_rates(rates):
        handles.append(Line2D([], [], color=color, linewidth=1.6, label=f"{name} {lr:.3g}"))
        if low < high:
            spread = f"{name} interval {low:.3g} to {high:.3g}"
            handles.append(Patch(color=color, alpha=0.15, linewidth=0, label=spread))
    return handles
