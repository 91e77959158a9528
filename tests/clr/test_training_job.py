"""What a training job plans and how it runs, with a plain function for a model."""

import math
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from clr.confirmation import Confirmation
from clr.policies import parse_schedule
from clr.recommended_cycle import RecommendedCycle
from clr.sweep import HeldOut, Point
from clr.training_job import (
    BudgetRefused,
    TrainingConfig,
    TrainingPlan,
    plan_training,
    run_training,
    whole_cycles,
)
from clr.training_result import CycleEnd
from clr.turn import Turn

TRIANGULAR = {"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1}
RECOMMENDED = RecommendedCycle(base_lr=0.02, max_lr=0.08, step_size=30, steps_per_epoch=10)


def plan(schedule: dict[str, Any] = TRIANGULAR, *, steps_per_epoch: int = 10, **config: Any) -> TrainingPlan:
    recommended = config.pop("recommended", None)
    asked = TrainingConfig(schedule=schedule, **config)
    return plan_training(asked, steps_per_epoch=steps_per_epoch, recommended=recommended)


def test_by_default_it_is_four_cycles_of_two_epochs_up_and_two_down() -> None:
    planned = plan()

    assert (planned.step_size, planned.num_steps) == (20, 160)
    assert planned.warnings == ()


@pytest.mark.parametrize(
    ("config", "num_steps"),
    [
        ({"num_cycles": 3}, 120),
        ({"num_cycles": 1, "step_size_epochs": 0.5}, 10),
        ({"num_steps": 80}, 80),
        ({"num_epochs": 8}, 80),
        ({"num_epochs": 4.0, "step_size_epochs": 2.0}, 40),
    ],
)
def test_a_budget_is_counted_in_cycles_steps_or_epochs(config: dict[str, Any], num_steps: int) -> None:
    assert plan(**config).num_steps == num_steps


@pytest.mark.parametrize(("asked", "trained"), [(81, 80), (99, 80), (100, 120), (119, 120), (3, 40)])
def test_a_budget_that_ends_inside_a_cycle_is_rounded_and_says_so(asked: int, trained: int) -> None:
    planned = plan(num_steps=asked)

    assert planned.num_steps == trained
    assert planned.warnings == (
        f"{asked} steps end inside a cycle of triangular: rounded to whole cycles, {trained} steps",
    )


def test_such_a_budget_is_refused_where_that_is_asked_for() -> None:
    with pytest.raises(BudgetRefused, match="nearest whole cycles end at 80"):
        plan(num_steps=81, round_to_cycles=False)


def test_whole_cycles_in_epochs_are_no_rounding_though_their_steps_are() -> None:
    planned = plan(steps_per_epoch=7, num_epochs=3, step_size_epochs=1.5, round_to_cycles=False)

    assert (planned.step_size, planned.num_steps) == (10, 20)
    assert planned.warnings == ()


@pytest.mark.parametrize(
    ("budget", "step_size", "num_steps"),
    [
        ({}, 20, 160),
        ({"num_steps": 400}, 20, 400),
        ({"num_epochs": 30}, 15, 30),
        ({"num_epochs": 4}, 2, 4),
        ({"num_epochs": 100}, 20, 120),
        ({"step_size_epochs": 3.0}, 3, 24),
    ],
)
def test_an_epoch_of_a_step_gives_half_a_cycle_some_steps_as_the_budget_allows(
    budget: dict[str, Any], step_size: int, num_steps: int
) -> None:
    by_rule = replace(RECOMMENDED, step_size=20, steps_per_epoch=1)
    for schedule, recommended in ((TRIANGULAR, None), ({"policy": "triangular"}, by_rule)):
        planned = plan(schedule, steps_per_epoch=1, recommended=recommended, **budget)

        assert (planned.step_size, planned.num_steps) == (step_size, num_steps)
        assert any("2 epochs are only 2 steps" in one for one in planned.warnings) == (step_size >= 15)
        assert any("rounded" in one for one in planned.warnings) == (num_steps == 120)


def test_without_a_known_epoch_half_a_cycle_is_the_default_and_epochs_are_refused() -> None:
    asked = TrainingConfig(schedule=TRIANGULAR, num_cycles=1)

    assert plan_training(asked, steps_per_epoch=None).step_size == 2000
    for said in ({"num_epochs": 3.0}, {"step_size_epochs": 1.0}):
        with pytest.raises(BudgetRefused, match="no known length: say it in steps or cycles"):
            plan_training(TrainingConfig(schedule=TRIANGULAR, **said), steps_per_epoch=None)


def test_more_steps_than_a_job_may_take_are_refused() -> None:
    with pytest.raises(BudgetRefused, match="more than the 100 steps"):
        plan_training(TrainingConfig(schedule=TRIANGULAR), steps_per_epoch=10, max_steps=100)


def test_what_a_schedule_lacks_comes_from_the_bounds() -> None:
    planned = plan({"policy": "triangular2"}, recommended=RECOMMENDED)

    assert planned.schedule == parse_schedule(
        {"policy": "triangular2", "base_lr": 0.02, "max_lr": 0.08, "step_size": 30}
    )


@pytest.mark.parametrize("others", [{"steps_per_epoch": 20}, {"step_size_epochs": 2.0}])
def test_the_step_size_of_the_bounds_holds_for_their_epochs_and_unless_another_is_asked_for(
    others: dict[str, Any],
) -> None:
    planned = plan({"policy": "triangular"}, recommended=RECOMMENDED, **others)

    assert planned.step_size == 2 * others.get("steps_per_epoch", 10)


def test_without_bounds_a_schedule_without_rates_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_lr"):
        plan({"policy": "triangular"})


def test_a_policy_without_cycles_is_given_those_of_the_step_size() -> None:
    planned = plan({"policy": "fixed", "lr": 0.1}, num_cycles=2)

    assert planned.num_steps == 80
    assert [(number, cycle.stop) for number, cycle in planned.cycles()] == [(1, 40), (2, 80)]


def test_one_cycle_takes_the_whole_budget() -> None:
    planned = plan({"policy": "one_cycle"}, recommended=RECOMMENDED, num_steps=57)

    assert planned.num_steps == 57
    assert [cycle for _, cycle in planned.cycles()] == [range(57)]


def test_stages_end_where_their_cycles_do() -> None:
    stages = [
        {"start": 0, "end": 40, "schedule": TRIANGULAR | {"step_size": 10}},
        {"start": 40, "end": 60, "schedule": TRIANGULAR | {"step_size": 5}},
    ]

    planned = plan({"policy": "staged", "stages": stages})

    assert [cycle.stop for _, cycle in planned.cycles()] == [20, 40, 50, 60]


@pytest.mark.parametrize(
    ("steps", "whole"), [(10, 10), (11, 10), (25, 30), (31, 30), (60, 70), (1, 10)]
)  # periods of 10, 20, 40 steps
def test_whole_cycles_may_grow(steps: int, whole: int) -> None:
    schedule = parse_schedule({"policy": "sgdr", "base_lr": 0.0, "max_lr": 0.1, "t_0": 10, "t_mult": 2})

    assert whole_cycles(schedule, steps) == whole


def test_a_stage_without_cycles_ends_where_it_ends() -> None:
    stages = [
        {"start": 0, "end": 50, "schedule": {"policy": "fixed", "lr": 0.1}},
        {"start": 50, "end": 130, "schedule": TRIANGULAR | {"step_size": 20}},
    ]

    planned = plan({"policy": "staged", "stages": stages})

    assert [cycle.stop for _, cycle in planned.cycles()] == [40, 50, 90, 130]


@pytest.mark.parametrize("own", [{"t_mult": 2}, {"t_0": 15}])
def test_epochs_are_no_whole_cycles_of_a_schedule_with_lengths_of_its_own(own: dict[str, int]) -> None:
    schedule = {"policy": "sgdr", "base_lr": 0.0, "max_lr": 0.1} | own

    with pytest.raises(BudgetRefused):
        plan(schedule, num_epochs=8, round_to_cycles=False)


def test_periods_that_grow_without_end_are_refused_not_counted() -> None:
    schedule = {"policy": "sgdr", "base_lr": 0.0, "max_lr": 0.1, "t_0": 10, "t_mult": 2}

    with pytest.raises(BudgetRefused, match="more than the"):
        plan(schedule, num_cycles=1_000_000)


def test_what_a_schedule_takes_from_the_budget_it_takes_from_the_rounded_one() -> None:
    schedule: Any = plan({"policy": "exp_range"}, recommended=RECOMMENDED, num_steps=100).schedule

    assert schedule.gamma**120 == pytest.approx(0.99994**42_000)


def test_a_schedule_that_does_not_fit_the_budget_is_refused_plainly() -> None:
    schedule = {"policy": "one_cycle", "base_lr": 0.01, "max_lr": 0.1, "step_size": 40}

    with pytest.raises(BudgetRefused, match="for 43 steps step_size must be at most 20"):
        plan(schedule, num_steps=43)


def test_something_is_always_left_to_train_after_what_was() -> None:
    planned = plan(TRIANGULAR | {"step_size": 20}, num_steps=7, resume_at=80)

    assert planned.num_steps == 120


def test_more_cycles_come_on_top_of_those_before() -> None:
    planned = plan(TRIANGULAR | {"step_size": 20}, num_cycles=2, resume_at=80)

    assert (planned.first_step, planned.num_steps) == (80, 160)


class Model:
    """Its loss is the rate; its accuracy counts the looks."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.looks = 0

    def step(self, lr: float) -> float:
        self.rates.append(lr)
        return lr

    def evaluate(self) -> tuple[float, float]:
        self.looks += 1
        return 1.0, self.looks / 1000


def test_each_step_uses_the_rate_of_its_schedule() -> None:
    planned, model = plan(num_cycles=2), Model()

    rows = list(run_training(planned, model.step, model.evaluate))

    points = [row for row in rows if isinstance(row, Point)]
    assert [point.step for point in points] == list(range(80))
    assert [point.lr for point in points] == model.rates == [planned.schedule(step) for step in range(80)]


def test_it_looks_at_fixed_intervals_and_at_every_cycles_end() -> None:
    planned, model = plan(num_cycles=2, eval_every=15), Model()

    rows = list(run_training(planned, model.step, model.evaluate))

    assert [row.step for row in rows if isinstance(row, HeldOut)] == [14, 29, 39, 44, 59, 74, 79]
    ends = [row for row in rows if isinstance(row, CycleEnd)]
    assert [(end.cycle, end.step) for end in ends] == [(1, 39), (2, 79)]


def test_it_goes_on_at_any_step() -> None:
    planned, model = plan(num_cycles=2), Model()

    rows = list(run_training(planned, model.step, model.evaluate, first_step=61))

    assert model.rates == [planned.schedule(step) for step in range(61, 80)]
    assert [row.cycle for row in rows if isinstance(row, CycleEnd)] == [2]


def test_it_ends_with_the_first_loss_that_is_not_finite() -> None:
    planned = plan(num_cycles=1)

    rows = list(run_training(planned, lambda lr: math.inf if lr > 0.05 else lr, Model().evaluate))

    assert isinstance(rows[-1], Point)
    assert rows[-1].loss == math.inf
    assert rows[-1].step < 19


def test_losses_read_late_are_the_same_losses() -> None:
    planned = plan(num_cycles=1, eval_every=7)

    late = list(run_training(planned, Model().step, Model().evaluate, read_every=5))

    assert late == list(run_training(planned, Model().step, Model().evaluate))


def test_a_long_training_gets_lower_rates_and_says_so() -> None:
    recommended = replace(RECOMMENDED, breaks_at=0.5)

    planned = plan({"policy": "one_cycle"}, num_steps=2560, recommended=recommended)

    assert max(map(planned.schedule, range(planned.num_steps))) == pytest.approx(0.04)
    assert planned.warnings[-1] == (
        "max_lr lowered from 0.08 to 0.04, for 2560 steps of one_cycle: the range test's bounds for so long a training "
        "say why"
    )


def test_a_training_that_would_overfit_gets_lower_rates_and_says_so() -> None:
    recommended = replace(RECOMMENDED, turn=Turn(rate_sum=1.0, seen=1.0))

    planned = plan({"policy": "triangular"}, num_steps=240, recommended=recommended)

    assert sum(map(planned.schedule, range(planned.num_steps))) == pytest.approx(1.0)
    assert "max_lr lowered from 0.08 to" in planned.warnings[-1]


def test_a_training_has_the_rates_with_which_such_ones_ended_best() -> None:
    confirmation = Confirmation(
        outcome="adjusted",
        metric="accuracy",
        margin=0.1,
        message="training ended best at about 2 times max_lr",
        tried=(),
        steps=960,
        policy="one_cycle",
        factor=2.0,
    )
    recommended = replace(RECOMMENDED, confirmation=confirmation)

    planned = plan({"policy": "one_cycle"}, num_steps=320, recommended=recommended)
    another = plan({"policy": "triangular"}, num_steps=320, recommended=recommended)

    assert max(map(planned.schedule, range(planned.num_steps))) == pytest.approx(0.16)
    assert "max_lr raised from 0.08 to 0.16" in planned.warnings[-1]
    assert max(map(another.schedule, range(another.num_steps))) == pytest.approx(0.08)


def test_rates_of_ones_own_are_not_lowered() -> None:
    recommended = replace(RECOMMENDED, turn=Turn(rate_sum=1.0, seen=1.0))

    planned = plan(TRIANGULAR, num_steps=240, recommended=recommended)

    assert (planned.schedule(0), planned.warnings) == (0.01, ())
