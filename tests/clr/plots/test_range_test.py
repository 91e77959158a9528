"""The picture is drawn for whatever was measured."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from clr.analysis import read_bounds
from clr.plots.range_test import draw_range_test
from clr.plots.style import PALETTE, render
from clr.sweep import Point, Sweep
from tests.clr.curves import accuracy_with_edges, loss_of, measured, plan

GOOD = accuracy_with_edges(0.1, 0.6)
SWEEPS = [
    measured(
        plan(sweep=0, phase="scout", shape="exponential", start_lr=1e-6, num_steps=150), loss_of(GOOD), GOOD
    ),
    *(measured(plan(seed=seed), loss_of(GOOD), GOOD, noise=0.02) for seed in range(3)),
]


def test_the_bounds_are_named_in_the_picture() -> None:
    bounds = read_bounds(SWEEPS)

    text = render(draw_range_test(SWEEPS, bounds, title="digits"), "svg").decode()

    assert f"max_lr {bounds.max_lr:.3g}" in text
    assert f"base_lr {bounds.base_lr:.3g}" in text


def test_a_title_is_drawn_as_it_is_spelled() -> None:
    assert "a $x_1 b" in render(draw_range_test(SWEEPS, None, title="a $x_1 b"), "svg").decode()


def test_the_same_measurements_give_the_same_bytes() -> None:
    first, again = (render(draw_range_test(SWEEPS, None, title="t"), "svg") for _ in range(2))

    assert first == again


def test_an_inconclusive_test_says_so_in_its_picture(tmp_path: Path) -> None:
    flat = [measured(plan(), lambda lr: 0.7, lambda lr: 0.1)]

    read_bounds(flat).plot(tmp_path / "flat.svg")

    assert "inconclusive: loss_never_changed" in (tmp_path / "flat.svg").read_text()


@pytest.mark.parametrize(
    "losses", [[math.nan], [1.0], [1.0, math.inf], [-3.0, -4.0, math.nan], [1e308, -1e308], [1e299, -1e299]]
)
def test_a_few_or_broken_points_can_be_drawn(losses: list[float]) -> None:
    sweep = Sweep(plan(), [Point(step, 0.1 + step, loss) for step, loss in enumerate(losses)])

    assert render(draw_range_test([sweep], None, title="t"), "png").startswith(b"\x89PNG")


def legend_of(figure: object) -> list[str]:
    [legend] = figure.legends  # type: ignore[attr-defined]
    return [text.get_text() for text in legend.get_texts()]


def test_everything_that_is_drawn_is_explained() -> None:
    told = legend_of(draw_range_test(SWEEPS, read_bounds(SWEEPS), title="t"))

    for explained in ("seed 2", "training loss, smoothed", "held-out loss", "held-out accuracy, each look"):
        assert explained in told
    assert any(label.startswith("max_lr interval") for label in told)


def test_the_panels_tell_the_test_from_the_scout() -> None:
    panels = [axes.get_title(loc="left") for axes in draw_range_test(SWEEPS, None, title="t").axes]

    assert [panel.partition(":")[0] for panel in panels if panel] == ["Test", "Scout"]


def test_many_seeds_are_told_in_one_line() -> None:
    many = [measured(plan(seed=seed), loss_of(GOOD), GOOD) for seed in range(12)]

    assert "seeds 0 to 11, a colour each" in legend_of(draw_range_test(many, None, title="t"))


@pytest.mark.parametrize(("base_lr", "scale"), [(0.5, "linear"), (0.001, "log")])
def test_the_axis_is_logarithmic_where_a_linear_one_would_hide_base_lr(base_lr: float, scale: str) -> None:
    bounds = replace(read_bounds(SWEEPS), base_lr=base_lr)

    assert draw_range_test(SWEEPS[1:], bounds, title="t").axes[0].get_xscale() == scale


@pytest.mark.parametrize("num_seeds", [1, 3, 6, 12])
def test_a_probe_is_drawn_over_the_range_in_a_colour_of_its_own(num_seeds: int) -> None:
    tests = [measured(plan(seed=seed), loss_of(GOOD), GOOD) for seed in range(num_seeds)]
    probe = measured(plan(sweep=9, phase="probe", num_steps=1200), loss_of(GOOD), GOOD)

    figure = draw_range_test([*tests, probe], None, title="t")

    [place] = [at for at, label in enumerate(legend_of(figure)) if label == "Probe, 1,200 steps"]
    of_probe = figure.legends[0].legend_handles[place].get_color()
    drawn = [line for line in figure.axes[0].lines if line.get_color() == of_probe]
    assert len(drawn) == 3  # each batch, smoothed, held out
    assert figure.axes[0].get_title(loc="left").startswith(("Test: 1 sweep,", f"Test: {num_seeds} sweeps,"))


def test_each_of_two_probes_is_drawn() -> None:
    probes = [measured(plan(sweep=sweep, phase="probe"), loss_of(GOOD), GOOD) for sweep in (8, 9)]

    figure = draw_range_test([SWEEPS[1], *probes], None, title="t")

    seed, *drawn = [line for line in figure.axes[1].lines if line.get_marker() == "None"]
    assert [line.get_color() for line in drawn] == [PALETTE[-1]] * 2
    assert seed.get_color() == PALETTE[0]


def test_a_probe_after_a_quick_test_is_drawn_over_its_only_sweep() -> None:
    probe = measured(plan(phase="probe"), loss_of(GOOD), GOOD)

    figure = draw_range_test([SWEEPS[0], probe], None, title="t")

    assert "Probe, 400 steps" in legend_of(figure)


def test_a_sweep_that_diverged_is_marked() -> None:
    broken = Sweep(plan(), [Point(step, 0.1 + step, 1.0) for step in range(3)])

    assert "the loss diverged: sweep ended" in legend_of(draw_range_test([broken], None, title="t"))
