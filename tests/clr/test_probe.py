"""One longer sweep where a training is so long that no sweep of the range test tells what becomes of it."""

from dataclasses import replace

import pytest

from clr.bounds import Bounds
from clr.collapse import Collapse
from clr.probe import LONG, LONGEST, plan_probe
from clr.range_test import TEST_STEPS
from clr.sweep import Sweep
from clr.turn import Turn
from tests.clr.curves import GOOD, bounds_of, loss_of, measured, seeds


def found(turn: Turn, *, steps_per_epoch: float = 10) -> Bounds:
    """Bounds of a task without classes, with the sweeps that told them."""
    return replace(bounds_of(seeds(loss_of(GOOD)), steps_per_epoch=steps_per_epoch), turn=turn)


def with_classes(*, steps_per_epoch: float = 10) -> Bounds:
    return bounds_of(seeds(loss_of(GOOD), GOOD), steps_per_epoch=steps_per_epoch)


def after(bounds: Bounds, probe: Sweep, *, collapse: Collapse | None) -> Bounds:
    """The same with one probe more, and what it lost."""
    return replace(bounds, sweeps=(*bounds.sweeps, probe), collapse=collapse)


def test_it_goes_from_base_lr_to_max_lr() -> None:
    bounds = with_classes()

    plan = plan_probe(bounds, "one_cycle", num_steps=LONG)

    assert plan is not None
    assert (plan.start_lr, plan.end_lr, plan.phase) == (bounds.base_lr, bounds.max_lr, "probe")


@pytest.mark.parametrize(
    ("num_steps", "steps"), [(100, TEST_STEPS), (1280, 640), (5120, 1280), (10**6, LONGEST)]
)
def test_it_is_as_long_as_the_geometric_mean_of_a_short_training_and_that_one(
    num_steps: int, steps: int
) -> None:
    plan = plan_probe(found(Turn(None, 0.0)), "fixed", num_steps=num_steps)

    assert plan is not None
    assert plan.num_steps == steps


@pytest.mark.parametrize("turn", [Turn(20.0, 20.0), Turn(None, 1e6)])
def test_for_a_short_training_there_is_none_where_the_sweeps_tell(turn: Turn) -> None:
    assert plan_probe(found(turn), "one_cycle", num_steps=LONG - 1) is None


@pytest.mark.parametrize("turn", [Turn(20.0, 20.0), Turn(None, 1e6)])
def test_for_a_long_one_the_sweeps_are_put_to_the_test(turn: Turn) -> None:
    assert plan_probe(found(turn), "one_cycle", num_steps=LONG) is not None


def test_where_accuracy_decides_short_trainings_have_none() -> None:
    assert plan_probe(with_classes(), "one_cycle", num_steps=LONG - 1) is None


def test_within_the_first_epoch_there_is_none() -> None:
    assert plan_probe(with_classes(steps_per_epoch=LONG), "one_cycle", num_epochs=1) is None


def test_it_is_no_range_of_the_test_and_there_is_but_one_where_it_bore_the_rates() -> None:
    bounds = with_classes()
    plan = plan_probe(bounds, "one_cycle", num_steps=LONG)
    assert plan is not None

    again = bounds_of([*bounds.sweeps, measured(plan, lambda lr: 0.1, lambda lr: 0.9)], steps_per_epoch=10)

    assert (again.max_lr, again.max_lr_interval) == (bounds.max_lr, bounds.max_lr_interval)
    assert plan_probe(again, "one_cycle", num_steps=LONG) is None


def test_after_one_that_lost_what_it_had_learned_another_goes_up_to_what_it_bore() -> None:
    bounds = with_classes()
    first = plan_probe(bounds, "one_cycle", num_steps=LONG)
    assert first is not None
    lost = after(bounds, Sweep(first), collapse=Collapse(bounds.max_lr / 2, first.num_steps))

    second = plan_probe(lost, "one_cycle", num_steps=LONG)

    assert second is not None
    assert (second.start_lr, second.end_lr) == (bounds.base_lr / 2, bounds.max_lr / 2)
    assert (second.num_steps, second.sweep) == (first.num_steps, first.sweep + 1)
    told = after(lost, Sweep(second), collapse=Collapse(bounds.max_lr / 4, first.num_steps))
    assert plan_probe(told, "one_cycle", num_steps=LONG) is None
