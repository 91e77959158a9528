"""Applied rates against a plan, without a training: mistakes that have no round numbers, and no false names."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clr.applied_rates import check_rates
from clr.policies import parse_schedule

PLAN = parse_schedule({"policy": "triangular", "base_lr": 0.001, "max_lr": 0.006, "step_size": 2000})


def played(index: Callable[[int], int], num_steps: int = 300) -> list[float]:
    return [PLAN(index(step)) for step in range(num_steps)]


def test_epochs_of_changing_length_are_told() -> None:
    starts = [0, 30, 61, 90, 120, 152, 180, 211, 240, 270]

    found = check_rates(played(lambda step: sum(step >= start for start in starts[1:])), PLAN)

    assert (found.problem, found.step) == ("per_epoch", 1)


def test_windows_of_micro_batches_that_end_with_the_epoch_are_told() -> None:
    """10 batches in windows of 4: the last has 2."""
    found = check_rates(played(lambda step: step // 3 * 10 + (0, 4, 8)[step % 3]), PLAN)

    assert found.problem == "several_per_update"


def test_a_training_that_went_on_without_first_step_is_ahead() -> None:
    found = check_rates(played(lambda step: step + 137), PLAN)

    assert found.problem == "ahead"
    assert "137 steps ahead" in found.message


def test_a_training_that_starts_again_once_is_told() -> None:
    found = check_rates(played(lambda step: step if step < 200 else step - 200), PLAN)

    assert (found.problem, found.message) == ("restarted", "the schedule starts again at step 200")


def test_a_step_per_epoch_that_went_on_rightly_is_still_one_per_epoch() -> None:
    found = check_rates([PLAN(step // 16) for step in range(160, 400)], PLAN, first_step=160)

    assert "once per epoch of 16 updates" in found.message


@pytest.mark.parametrize("lr", [math.inf, math.nan])
def test_a_rate_that_is_not_finite_departs(lr: float) -> None:
    found = check_rates([PLAN(0), PLAN(1), lr], PLAN)

    assert (found.problem, found.step) == ("unknown", 2)


def test_a_flat_schedule_that_is_played_as_planned_is_not_one_that_is_not_stepped() -> None:
    flat = parse_schedule({"policy": "step_decay", "lr": 0.1, "drop_every": 1000})

    assert check_rates([0.1] * 500, flat).ok


@given(st.lists(st.floats(1e-6, 1.0), min_size=5, max_size=60, unique=True))
def test_rates_of_no_schedule_have_no_mistake_named(applied: list[float]) -> None:
    found = check_rates([lr * math.pi for lr in applied], PLAN)

    assert found.problem in ("unknown", "scaled", "rounded")


@given(st.integers(2, 900), st.integers(3, 40))
def test_so_many_steps_an_update_are_counted(times: int, num_updates: int) -> None:
    linear = parse_schedule({"policy": "decay", "base_lr": 0.0, "max_lr": 1.0, "step_size": 10**6})

    found = check_rates([linear(times * step) for step in range(num_updates)], linear)

    assert f"stepped {times} times per update" in found.message
