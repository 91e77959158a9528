"""The rates for a training of some length: those of the range test for a short one, lower ones for a long one."""

from dataclasses import replace
from typing import Any

import pytest

from clr.bounds import Bounds
from clr.policies import parse_schedule
from clr.training_rates import MOST_TIMES, NEAR, SHORT, sum_rates
from clr.turn import Turn
from tests.clr.curves import GOOD, bounds_of, doubt_of, loss_of, seeds

POLICIES = ("triangular2", "one_cycle", "sgdr", "fixed")


def found(*, rate_sum: float | None = None, seen: float = 1.0) -> Bounds:
    """Bounds of a task without classes."""
    return replace(bounds_of(seeds(loss_of(GOOD)), steps_per_epoch=10), turn=Turn(rate_sum, seen))


@pytest.mark.parametrize("policy", POLICIES)
def test_a_training_that_would_overfit_has_rates_that_sum_to_the_turn(policy: str) -> None:
    bounds = found(rate_sum=20.0)

    rates = bounds.for_training(policy, num_steps=4000)

    assert rates.basis == "turn"
    assert sum_rates(bounds.schedule(policy, num_steps=4000), 4000) == pytest.approx(20.0)
    assert rates.max_lr / bounds.max_lr == pytest.approx(rates.base_lr / bounds.base_lr)


def test_a_training_four_times_as_long_has_rates_a_fourth_as_high() -> None:
    bounds = found(rate_sum=20.0)

    short, long = (bounds.for_training("one_cycle", num_steps=steps) for steps in (4000, 16_000))

    assert long.max_lr == pytest.approx(short.max_lr / 4, rel=1e-3)


def test_a_training_that_ends_before_the_turn_keeps_its_rates() -> None:
    bounds = found(rate_sum=1e6, seen=1e6)

    rates = bounds.for_training("triangular", num_steps=400)

    assert (rates.base_lr, rates.max_lr, rates.basis) == (bounds.base_lr, bounds.max_lr, "edge")


@pytest.mark.parametrize(
    ("seen", "basis", "share"), [(1e6, "edge", 1.0), (0.0, "unknown", (16 * SHORT / SHORT) ** -0.75)]
)
def test_without_a_turn_the_rates_fall_with_the_length_unless_a_sweep_went_as_far(
    seen: float, basis: str, share: float
) -> None:
    bounds = found(seen=seen)

    rates = bounds.for_training("one_cycle", num_steps=16 * SHORT)

    assert (rates.basis, rates.num_steps) == (basis, 16 * SHORT)
    assert rates.max_lr / bounds.max_lr == pytest.approx(share)


def test_rates_do_not_fall_below_what_a_sweep_bore() -> None:
    bounds = found()
    as_far = sum_rates(bounds.schedule("fixed", num_steps=1, lr=bounds.constant_lr), 1) * 16 * SHORT / 2

    rates = replace(bounds, turn=Turn(None, as_far)).for_training("fixed", num_steps=16 * SHORT)

    assert rates.constant_lr / bounds.constant_lr == pytest.approx(1 / 2)


LONGEST = MOST_TIMES ** (-1 / 3)


@pytest.mark.parametrize(
    ("num_steps", "breaks_at", "basis", "share"),
    [
        (SHORT, 2.0, "edge", 1.0),
        (8 * SHORT, 2.0, "length", 1 / 2),
        (MOST_TIMES * SHORT, 2.0, "length", LONGEST),
        (100 * MOST_TIMES * SHORT, 2.0, "unknown", LONGEST),
        (8 * SHORT, NEAR, "edge", 1.0),
        (8 * SHORT, None, "edge", 1.0),
        (100 * MOST_TIMES * SHORT, None, "unknown", 1.0),
    ],
)
def test_where_accuracy_decides_rates_fall_by_the_cube_root_if_the_scout_broke_off_near(
    num_steps: int, breaks_at: float | None, basis: str, share: float
) -> None:
    bounds = bounds_of(seeds(loss_of(GOOD), GOOD), steps_per_epoch=10)
    bounds = replace(bounds, breaks_at=breaks_at and breaks_at * bounds.max_lr)

    rates = bounds.for_training("one_cycle", num_steps=num_steps)

    assert (rates.basis, rates.max_lr / bounds.max_lr) == (basis, pytest.approx(share))


def test_where_accuracy_turned_the_reason_speaks_of_labels() -> None:
    bounds = bounds_of(seeds(loss_of(GOOD), GOOD), steps_per_epoch=10)

    rates = replace(bounds, turn=Turn(1.0, 1.0)).for_training("one_cycle", num_steps=8 * SHORT)

    assert rates.basis == "turn"
    assert "accuracy turned" in rates.reason
    assert "labels are wrong" in rates.reason


def test_within_the_first_epoch_rates_do_not_fall() -> None:
    bounds = replace(bounds_of(seeds(loss_of(GOOD), GOOD), steps_per_epoch=5000), breaks_at=1.0)

    rates = bounds.for_training("one_cycle", num_epochs=1)

    assert (rates.basis, rates.max_lr) == ("edge", bounds.max_lr)


@pytest.mark.parametrize("why", ["of old", "no held-out set"])
def test_what_nobody_can_see_is_unknown(why: str) -> None:
    bounds = found()
    bounds = (
        replace(bounds, turn=None) if why == "of old" else bounds_of(seeds(loss_of(GOOD), held_out=False))
    )

    assert bounds.for_training("fixed", num_steps=100).basis == "unknown"


def test_rates_of_ones_own_stay_as_they_are_told() -> None:
    bounds = found(rate_sum=1.0)

    schedule = bounds.schedule("triangular", num_steps=4000, max_lr=0.5)

    assert max(map(schedule, range(4000))) == pytest.approx(0.5)
    assert schedule(0) == bounds.base_lr
    with pytest.raises(ValueError, match="leave base_lr, max_lr, lr, final_lr, stages out"):
        bounds.for_training("triangular", num_steps=4000, max_lr=0.5)


def test_a_budget_is_needed() -> None:
    with pytest.raises(ValueError, match="give num_steps or num_epochs"):
        found().for_training("one_cycle")


@pytest.mark.parametrize("step_size", [20, 50, 4096])
@pytest.mark.parametrize("num_steps", [5000, 163_960, 819_800, 10**9])
def test_the_sum_of_a_long_schedule_is_that_of_its_mean(num_steps: int, step_size: int) -> None:
    spec: dict[str, Any] = {"policy": "triangular", "base_lr": 0.1, "max_lr": 0.3, "step_size": step_size}

    assert sum_rates(parse_schedule(spec), num_steps) == pytest.approx(0.2 * num_steps, rel=0.1)


@pytest.mark.parametrize(
    "decay",
    [
        {"policy": "exponential_decay", "gamma": 0.9},
        {"policy": "time_decay", "rate": 1.0},
        {"policy": "step_decay", "drop_every": 5},
    ],
)
def test_a_steep_beginning_is_summed_as_it_is(decay: dict[str, Any]) -> None:
    schedule = parse_schedule({"lr": 0.1, **decay})

    assert sum_rates(schedule, 100_000) == pytest.approx(sum(map(schedule, range(100_000))), rel=1e-3)


@pytest.mark.parametrize(
    "budget", [{"num_steps": 10**13}, {"num_epochs": 1e308}, {"num_epochs": float("nan")}]
)
def test_a_budget_that_cannot_be_is_refused(budget: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        found().for_training("triangular", **budget)


def test_without_bounds_there_are_no_rates() -> None:
    inconclusive = doubt_of(seeds(lambda lr: 2.3))

    with pytest.raises(ValueError, match="no bounds for a training"):
        inconclusive.for_training("triangular", num_steps=100)


def test_bounds_with_a_turn_survive_json() -> None:
    bounds = found(rate_sum=20.0).fit_budget("one_cycle", num_epochs=400)

    again = Bounds.from_dict(bounds.to_dict())

    assert (again.turn, again.for_budget) == (bounds.turn, bounds.for_budget)
    assert again.for_budget is not None
    assert again.for_budget["policy"] == "one_cycle"
