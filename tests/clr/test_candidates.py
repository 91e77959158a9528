"""Other finders' rules, and the traps they must not fall into here."""

import math

import pytest

from clr.candidates import candidates, fastai_smooth, steep, valley
from clr.range_test import Point, Sweep
from tests.clr.curves import accuracy_with_edges, loss_of, measured, plan

LRS = [10 ** (-6 + step / 10) for step in range(70)]


def scout(loss: object) -> Sweep:
    exponential = plan(sweep=0, phase="scout", shape="exponential", start_lr=1e-6, end_lr=10.0, num_steps=150)
    return measured(exponential, loss)  # type: ignore[arg-type]


def test_valley_is_the_middle_of_the_longest_fall() -> None:
    losses = [3.0] * 20 + [3.0 - step / 10 for step in range(1, 31)] + [9.0] * 20

    assert valley(LRS, losses) == LRS[49 - 31 + 10 + 5]


def test_steep_is_where_the_loss_falls_fastest_per_decade() -> None:
    losses = [2.0 - 1.5 / (1 + math.exp(-2 * (step - 40))) for step in range(70)]

    assert steep(LRS, losses) == pytest.approx(LRS[40], rel=0.3)


def test_smoothing_is_not_biased_towards_its_start() -> None:
    assert fastai_smooth([4.0] * 10) == pytest.approx([4.0] * 10)


def test_candidates_are_labelled_and_come_from_the_scout() -> None:
    found = candidates([scout(loss_of(accuracy_with_edges(0.01, 1.0)))])

    assert {candidate.name for candidate in found} == {"valley", "steep"}
    assert all(candidate.note and candidate.lr is not None for candidate in found)


def test_a_nan_tail_is_cut_off_before_the_rules_look() -> None:
    sweep = scout(lambda lr: 2.0 - lr)
    broken = [
        Point(point.step, point.lr, math.nan if point.lr > 0.1 else point.loss) for point in sweep.points
    ]

    found = candidates([Sweep(sweep.plan, broken)])

    assert all(candidate.lr is not None and candidate.lr <= 0.1 for candidate in found)


def test_too_short_a_curve_gives_candidates_without_a_rate() -> None:
    found = candidates([Sweep(plan(shape="exponential"), [Point(0, 0.1, 1.0)])])

    assert [candidate.lr for candidate in found] == [None, None]


def test_without_a_scout_there_are_none() -> None:
    assert candidates([measured(plan(), lambda lr: 1.0)]) == []
