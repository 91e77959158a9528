"""The picture is drawn for whatever was measured."""

import math

import pytest

from clr.analysis import read_bounds
from clr.plots.range_test import figure, render
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
    result = read_bounds(SWEEPS).to_dict()

    text = render(figure(SWEEPS, result, title="digits"), "svg").decode()

    assert f"max_lr {result['max_lr']:.3g}" in text
    assert f"base_lr {result['base_lr']:.3g}" in text


def test_a_title_is_drawn_as_it_is_spelled() -> None:
    assert "a $x_1 b" in render(figure(SWEEPS, None, title="a $x_1 b"), "svg").decode()


def test_the_same_measurements_give_the_same_bytes() -> None:
    first, again = (render(figure(SWEEPS, None, title="t"), "svg") for _ in range(2))

    assert first == again


def test_an_inconclusive_test_says_so_in_its_picture() -> None:
    flat = [measured(plan(), lambda lr: 0.7, lambda lr: 0.1)]

    text = render(figure(flat, read_bounds(flat).to_dict(), title="t"), "svg").decode()

    assert "inconclusive: loss_never_changed" in text


@pytest.mark.parametrize("losses", [[math.nan], [1.0], [1.0, math.inf], [-3.0, -4.0, math.nan]])
def test_a_few_or_broken_points_can_be_drawn(losses: list[float]) -> None:
    sweep = Sweep(plan(), [Point(step, 0.1 + step, loss) for step, loss in enumerate(losses)])

    assert render(figure([sweep], None, title="t"), "png").startswith(b"\x89PNG")
