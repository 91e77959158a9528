"""One longer sweep where a training may overfit and no sweep of the range test tells."""

from dataclasses import replace

import pytest

from clr.bounds import Bounds
from clr.probe import MOST_STEPS, plan_probe
from clr.range_test import TEST_STEPS
from clr.training_rates import sum_rates
from clr.turn import Turn
from tests.clr.curves import GOOD, bounds_of, loss_of, measured, seeds


def found(turn: Turn, *, steps_per_epoch: float = 10) -> Bounds:
    """Bounds of a task without classes, with the sweeps that told them."""
    return replace(bounds_of(seeds(loss_of(GOOD)), steps_per_epoch=steps_per_epoch), turn=turn)


def test_it_sums_to_as_much_as_the_training_would_within_the_bounds() -> None:
    bounds = found(Turn(None, 1.0))

    plan = plan_probe(bounds, "one_cycle", num_steps=640)

    assert plan is not None
    assert (plan.start_lr, plan.end_lr, plan.phase) == (bounds.base_lr, bounds.max_lr, "probe")
    share = bounds.for_training("one_cycle", num_steps=640).max_lr / bounds.max_lr
    training = sum_rates(bounds.schedule("one_cycle", num_steps=640), 640) / share
    assert sum(map(plan.lr, range(plan.num_steps))) == pytest.approx(training, rel=0.01)


@pytest.mark.parametrize(("num_steps", "steps"), [(200, TEST_STEPS), (10**6, MOST_STEPS)])
def test_it_takes_a_sweep_at_least_and_so_many_steps_at_most(num_steps: int, steps: int) -> None:
    plan = plan_probe(found(Turn(None, 0.0)), "fixed", num_steps=num_steps)

    assert plan is not None
    assert plan.num_steps == steps


@pytest.mark.parametrize("turn", [Turn(20.0, 20.0), Turn(None, 1e6)])
def test_where_the_sweeps_tell_there_is_none(turn: Turn) -> None:
    assert plan_probe(found(turn), "one_cycle", num_steps=4000) is None


def test_where_accuracy_decides_there_is_none() -> None:
    bounds = bounds_of(seeds(loss_of(GOOD), GOOD))

    assert plan_probe(bounds, "one_cycle", num_steps=10**6) is None


def test_there_is_but_one_and_it_is_no_range_of_the_test() -> None:
    bounds = found(Turn(None, 1.0))
    plan = plan_probe(bounds, "one_cycle", num_steps=4000)
    assert plan is not None

    again = bounds_of([*bounds.sweeps, measured(plan, loss_of(GOOD))], steps_per_epoch=10)

    assert (again.max_lr, again.max_lr_interval) == (bounds.max_lr, bounds.max_lr_interval)
    assert plan_probe(again, "one_cycle", num_steps=10**6) is None
