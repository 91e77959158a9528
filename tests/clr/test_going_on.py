"""A model that had learned before: accuracy has no room to rise, the held-out loss shows what is left."""

import math

import pytest

from clr.analysis import GOING_ON, read_bounds
from clr.basin import find_basin_lr, find_break_lr
from clr.bounds import Bounds
from clr.range_test import RangeTestConfig, next_sweep
from clr.reading import Reading, read_all
from clr.sweep import HeldOut, Point, Sweep, SweepPlan
from tests.clr.curves import bounds_of, doubt_of, plan

NUM_EXAMPLES = 300  # of the held-out set


def going_on(plan: SweepPlan, *, first: float = 0.96, best_lr: float = 0.1) -> Sweep:
    """Batches were trained on before: 0.01, from 3 x best_lr on more. The held-out loss falls from 0.2 to 0.1."""
    sweep = Sweep(plan)
    for step in range(plan.num_steps):
        lr = plan.lr(step)
        worse = max(0.0, math.log(lr / (3 * best_lr)))
        sweep.add(Point(step, lr, 0.01 + worse + 0.002 * (-1) ** step))
        if plan.looks_after(step):
            better = math.exp(-(math.log(lr / best_lr) ** 2))
            right = round(NUM_EXAMPLES * (first + 0.01 * better - 0.01 * worse)) / NUM_EXAMPLES
            sweep.add(HeldOut(step, lr, 0.2 - 0.1 * better + worse, right))
    return sweep


def quick_plan() -> SweepPlan:
    return plan(
        sweep=0, phase="scout", shape="exponential", start_lr=1e-6, end_lr=10.0, num_steps=200, eval_every=7
    )


def whole_test() -> list[Sweep]:
    finished: list[Sweep] = []
    while (asked := next_sweep(RangeTestConfig(), finished)) is not None:
        finished.append(going_on(asked))
    return finished


def test_the_held_out_loss_gives_bounds_where_accuracy_shows_no_rise() -> None:
    sweep = going_on(plan())

    assert not Reading(sweep).learns
    assert bounds_of([sweep]).metric == "held_out_loss"


def test_a_whole_test_finds_the_range_that_lowers_the_held_out_loss() -> None:
    found = read_bounds(whole_test())

    assert isinstance(found, Bounds)
    assert 0.05 < found.max_lr < 0.3


def test_what_differs_is_told() -> None:
    assert GOING_ON in bounds_of([going_on(plan())]).warnings


def test_it_breaks_where_the_held_out_loss_is_lost_and_not_where_batches_are_noisy() -> None:
    (scout,) = read_all([going_on(quick_plan())])

    assert find_break_lr(scout) == pytest.approx(0.3, rel=0.5)


def test_its_basin_is_that_of_the_held_out_loss() -> None:
    (scout,) = read_all([going_on(quick_plan())])

    assert find_basin_lr(scout) == pytest.approx(0.1, rel=0.2)


def test_ranges_are_compared_by_how_far_the_held_out_loss_fell() -> None:
    sweep = going_on(plan())

    assert Reading(sweep).depth == 0
    assert Reading(sweep, by_loss=True).depth == pytest.approx(0.1, rel=0.1)


def test_accuracy_with_room_to_rise_goes_on_deciding() -> None:
    sweeps = [going_on(plan(), first=0.7)]

    assert not read_all(sweeps)[0].by_loss
    assert doubt_of(sweeps).why == "no_learning"
