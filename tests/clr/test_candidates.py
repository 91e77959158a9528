"""Other finders' answers come with our own, by name."""

import math

import pytest

from clr.candidates import RULES, candidates
from clr.sweep import Point, Sweep
from tests.clr.curves import accuracy_with_edges, loss_of, measured, plan


@pytest.fixture
def scout() -> Sweep:
    exponential = plan(sweep=0, phase="scout", shape="exponential", start_lr=1e-6, end_lr=10.0, num_steps=150)
    return measured(exponential, loss_of(accuracy_with_edges(0.01, 1.0)))


def test_candidates_are_labelled_and_come_from_the_scout(scout: Sweep) -> None:
    found = candidates([measured(plan(), lambda lr: 1.0), scout])

    assert [candidate.name for candidate in found] == [
        "valley",
        "slide",
        "minimum",
        "steep",
        "torch_lr_finder",
        "lightning_before_2_5_3",
        "lightning",
        "ignite",
        "ktrain",
        "paper",
    ]
    assert all(candidate.note and candidate.lr is not None for candidate in found)


def test_a_candidate_is_its_rule_on_the_raw_losses(scout: Sweep) -> None:
    lrs, losses = [point.lr for point in scout.points], [point.loss for point in scout.points]

    assert {at.name: at.lr for at in candidates([scout])} == {
        name: rule(lrs, losses) for name, (rule, _) in RULES.items()
    }


def test_a_sweep_that_ended_in_nan_has_candidates_below_it(scout: Sweep) -> None:
    points = [point for point in scout.points if point.lr < 0.1]
    broken = [*points, Point(len(points), 0.1, math.nan)]

    found = candidates([Sweep(scout.plan, broken)])

    assert all(candidate.lr is None or candidate.lr < 0.1 for candidate in found)


@pytest.mark.parametrize("num_points", [0, 1])
def test_too_short_a_curve_gives_candidates_without_a_rate(num_points: int) -> None:
    points = [Point(0, 0.1, 1.0)][:num_points]

    found = candidates([Sweep(plan(shape="exponential"), points)])

    assert len(found) == len(RULES)
    assert all(candidate.lr is None for candidate in found)


def test_without_a_scout_there_are_none() -> None:
    assert candidates([measured(plan(), lambda lr: 1.0)]) == []
