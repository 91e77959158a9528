"""Whether a probe lost what it had learned, at which rate, and what that does to the rates of a long training."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from clr.bounds import Bounds
from clr.collapse import Collapse
from clr.endurance import find_collapse
from clr.reading import Reading
from clr.sweep import HeldOut, Point, Sweep
from clr.training_rates import SHORT
from tests.clr.curves import GOOD, bounds_of, loss_of, measured, plan, seeds

LAST = 1280
DIES_AT = 0.6  # the rate from which on units die


def probe_that(
    accuracy: Callable[[float], float],
    loss: Callable[[float, int], float],
    *,
    stop: int = LAST,
    learned_before: bool = False,
) -> Reading:
    """From a quarter up to 1; loss: of the accuracy and the step. learned_before: it begins as good as it gets."""
    planned = plan(phase="probe", start_lr=0.25, num_steps=LAST, eval_every=39)
    sweep = Sweep(planned)
    for step in range(stop):
        lr = planned.lr(step)
        learned = accuracy(lr) * (1.0 if learned_before else 1 - math.exp(-step / 60))
        sweep.add(Point(step, lr, loss(learned, step)))
        if planned.looks_after(step):
            sweep.add(HeldOut(step, lr, 1 - learned, learned))
    return Reading(sweep)


def dying(lr: float) -> float:
    return 0.9 if lr < DIES_AT else max(0.1, 0.9 - 4 * (lr - DIES_AT))


def mirrored(learned: float, step: int) -> float:
    return 2.3 - 2 * learned


def by_heart(learned: float, step: int) -> float:
    return 2.3 * math.exp(-step / 800)


def collapse_of(*probes: Reading) -> Collapse | None:
    return find_collapse(probes, steps_per_epoch=10)


def test_where_the_score_is_lost_the_rate_before_is_told() -> None:
    collapse = collapse_of(probe_that(dying, mirrored))

    assert collapse == Collapse(pytest.approx(DIES_AT, rel=0.1), LAST)


def test_a_probe_that_keeps_what_it_learned_has_none() -> None:
    assert collapse_of(probe_that(lambda lr: 0.9, mirrored)) is None


def test_a_little_that_is_lost_at_high_rates_comes_back_as_they_fall() -> None:
    assert collapse_of(probe_that(lambda lr: 0.9 if lr < DIES_AT else 0.8, mirrored)) is None


def test_what_luck_may_lose_is_nothing_lost() -> None:
    wandering = probe_that(lambda lr: 0.97 if lr < DIES_AT else 0.955, mirrored, learned_before=True)

    assert collapse_of(wandering) is None


def test_what_is_lost_to_learning_by_heart_is_no_collapse() -> None:
    assert collapse_of(probe_that(dying, by_heart)) is None


def test_a_probe_that_broke_off_bore_the_rates_before() -> None:
    collapse = collapse_of(probe_that(lambda lr: 0.9, mirrored, stop=LAST // 2))

    assert collapse is not None
    assert collapse.lr == pytest.approx(0.25 + 0.75 / 2, rel=0.05)


def test_the_last_probe_that_lost_something_counts() -> None:
    first, second = probe_that(dying, mirrored), probe_that(lambda lr: dying(lr + 0.2), mirrored)

    assert collapse_of(first, second) == collapse_of(second)
    assert collapse_of(first, probe_that(lambda lr: 0.9, mirrored)) == collapse_of(first)


def found(collapse: Collapse) -> Bounds:
    return replace(bounds_of(seeds(loss_of(GOOD), GOOD), steps_per_epoch=10), collapse=collapse)


@pytest.mark.parametrize(("times", "share"), [(1, 0.5), (8, 0.25)])
def test_rates_come_down_to_what_the_probe_bore_and_lower_for_longer_trainings(
    times: int, share: float
) -> None:
    bounds = found(Collapse(1.0, LAST))
    bounds = replace(bounds, collapse=Collapse(bounds.max_lr / 2, LAST))

    rates = bounds.for_training("one_cycle", num_steps=times * LAST)

    assert (rates.basis, rates.max_lr / bounds.max_lr) == ("collapse", pytest.approx(share))
    assert f"a sweep of {LAST} steps lost what it had learned" in rates.reason


def test_short_trainings_keep_the_rates() -> None:
    bounds = found(Collapse(1.0, LAST))
    bounds = replace(bounds, collapse=Collapse(0.9 * bounds.max_lr, LAST))

    rates = bounds.for_training("one_cycle", num_steps=SHORT)

    assert (rates.basis, rates.max_lr) == ("edge", bounds.max_lr)


def test_the_bounds_tell_it_and_keep_it() -> None:
    bounds = bounds_of(seeds(loss_of(GOOD), GOOD), steps_per_epoch=10)
    probe = plan(phase="probe", sweep=9, start_lr=0.3, end_lr=1.2, num_steps=LAST, eval_every=39)

    told = bounds_of([*bounds.sweeps, measured(probe, loss_of(GOOD), GOOD)], steps_per_epoch=10)

    assert told.collapse is not None
    assert told.collapse.num_steps == LAST
    assert Bounds.from_dict(told.to_dict()).collapse == told.collapse
    assert (told.max_lr, told.base_lr) == (bounds.max_lr, bounds.base_lr)
