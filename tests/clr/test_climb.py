"""What a confirmation trains, and what it then says of the rates."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from clr.analysis import read_bounds
from clr.bounds import Bounds
from clr.climb import DIVERGED, EDGE, confirm_bounds, keep_asked, next_runs
from clr.confirmation_budget import LONGEST, MOST_RUNS, NUM_STEPS
from clr.contender import POWERS, ContenderRun, RunPlan
from clr.sweep import HeldOut, Point
from tests.clr.curves import Curve, accuracy_with_edges, loss_of, measured, plan

ACCURACY = accuracy_with_edges(0.05, 0.5)
ONE_CYCLE = {"policy": "one_cycle", "num_steps": 1000}


def bounds_of(accuracy: Curve | None) -> Bounds:
    found = read_bounds([measured(plan(seed=seed), loss_of(ACCURACY), accuracy) for seed in range(3)])
    assert isinstance(found, Bounds)
    return found


BOUNDS, BOUNDS_OF_LOSS = bounds_of(ACCURACY), bounds_of(None)
Ends = Callable[[int], float | None]  # of the power of two


def peak_at(power: float, *, steep: float = 0.1) -> Ends:
    """Accuracies that fall on both sides of max_lr times two to this power."""
    return lambda tried: 0.9 - steep * abs(tried - power)


def among(values: Mapping[int, float | None]) -> Ends:
    return lambda power: values[power]


def train(following: RunPlan, value: float | None, *, classes: bool = True) -> ContenderRun:
    """A run that ends at this value; None diverges in the middle."""
    steps = following.num_steps
    if value is None:
        return ContenderRun(following, [Point(step, 0.1, math.nan) for step in range(steps // 2)])
    look = HeldOut(steps - 1, 0.1, 1 - value if classes else value, value if classes else None)
    return ContenderRun(following, [Point(step, 0.1, 0.5) for step in range(steps)], [look])


def play(
    ends: Ends, *, bounds: Bounds = BOUNDS, training: Mapping[str, Any] | None = None, classes: bool = True
) -> list[ContenderRun]:
    """A whole confirmation."""
    finished: list[ContenderRun] = []
    while following := next_runs(bounds, finished, training=training, seed=3, sweep=2):
        finished += [train(run, ends(POWERS[run.label]), classes=classes) for run in following]
    return finished


def powers_of(runs: list[ContenderRun]) -> list[int]:
    return sorted(POWERS[run.plan.label] for run in runs)


def says(ends: Ends, **how: Any) -> dict[str, Any]:
    bounds, training = how.get("bounds", BOUNDS), how.get("training")
    return confirm_bounds(bounds, play(ends, **how), training=training).to_dict()


def test_first_half_the_whole_and_double_are_trained_of_which_none_waits_for_another() -> None:
    following = next_runs(BOUNDS, [], seed=3, sweep=2)

    assert [run.label for run in following] == ["max_lr", "max_lr / 2", "max_lr x 2"]
    assert [run.schedule["max_lr"] / BOUNDS.max_lr for run in following] == [1, 0.5, 2]


def test_where_ours_is_best_nothing_else_is_trained() -> None:
    assert powers_of(play(peak_at(0))) == [-1, 0, 1]


@pytest.mark.parametrize(
    ("best", "tried"), [(2, [-1, 0, 1, 2, 3]), (-1, [-2, -1, 0, 1]), (-3, [-4, -3, -2, -1, 0, 1])]
)
def test_the_climb_goes_on_past_the_best_until_it_gets_worse(best: int, tried: list[int]) -> None:
    assert powers_of(play(peak_at(best))) == tried


@pytest.mark.parametrize("best", [-10, 10])
def test_it_ends_after_a_few_runs_wherever_the_best_lies(best: int) -> None:
    assert len(play(peak_at(best, steep=0.01))) == MOST_RUNS


def test_where_all_diverge_it_goes_down() -> None:
    ends: Ends = lambda power: 0.9 if power == -3 else None  # noqa: E731 - a curve, as the others

    assert powers_of(play(ends)) == [-4, -3, -2, -1, 0, 1]


def test_runs_have_places_of_their_own_and_one_seed_that_the_test_did_not_use() -> None:
    runs = play(peak_at(-10, steep=0.01))

    assert len({run.plan.sweep for run in runs}) == len(runs)
    assert min(run.plan.sweep for run in runs) == 2
    assert {run.plan.seed for run in runs} == {3}


def test_what_is_left_of_a_round_is_planned_as_before() -> None:
    first, second, third = next_runs(BOUNDS, [], seed=3, sweep=2)

    assert next_runs(BOUNDS, [train(first, 0.9)], seed=3, sweep=2) == [second, third]


def test_every_run_has_the_same_budget() -> None:
    for run in play(peak_at(0)):
        training = run.plan.training(steps_per_epoch=10)
        assert [cycle.stop for _, cycle in training.cycles()][-1] == NUM_STEPS
        assert training.schedule.model_dump(mode="json") == run.plan.schedule


def test_bounds_that_nothing_beats_are_confirmed_as_they_were() -> None:
    result = says(peak_at(0))

    confirmation = result.pop("confirmation")
    assert result == BOUNDS.to_dict()
    assert (confirmation["outcome"], confirmation["margin"], confirmation["factor"]) == (
        "confirmed",
        0.0,
        1.0,
    )
    assert [one["label"] for one in confirmation["tried"]] == ["max_lr / 2", "max_lr", "max_lr x 2"]
    assert confirmation["steps"] == 3 * NUM_STEPS
    assert f"(3 trainings of {NUM_STEPS} steps)" in confirmation["message"]


def test_who_is_hardly_better_moves_nothing() -> None:
    result = says(among({-1: 0.9, 0: 0.902, 1: 0.9}))

    assert (result["confirmation"]["outcome"], result["max_lr"]) == ("confirmed", BOUNDS.max_lr)


@pytest.mark.parametrize("best", [-2, -1, 1, 2])
def test_bounds_move_to_what_is_clearly_best(best: int) -> None:
    result = says(peak_at(best))

    confirmation = result["confirmation"]
    assert confirmation["outcome"] == "adjusted"
    assert confirmation["margin"] == pytest.approx(0.1 * abs(best))
    assert confirmation["factor"] == pytest.approx(2.0**best, rel=0.02)
    for name in ("base_lr", "max_lr", "constant_lr"):
        assert result[name] == confirmation["factor"] * getattr(BOUNDS, name)
        assert result["evidence"]["range_test"][name] == getattr(BOUNDS, name)
    low, high = result["max_lr_interval"]
    assert low <= result["max_lr"] <= high
    assert result["warnings"] == list(BOUNDS.warnings)
    assert result["rule_max"] == result["rule_base"] == "moved_by_training"
    assert confirmation["message"] in result["reason_max"]


def test_between_two_that_are_as_good_the_middle_is_taken() -> None:
    factor = says(among({-1: 0.7, 0: 0.9, 1: 0.9, 2: 0.5}))["confirmation"]["factor"]

    assert factor == pytest.approx(math.sqrt(2), rel=0.01)


def test_a_best_at_the_edge_of_what_was_tried_is_warned_of() -> None:
    assert says(peak_at(10, steep=0.01))["warnings"] == [*BOUNDS.warnings, EDGE]


def test_bounds_that_diverge_move_to_what_does_not() -> None:
    result = says(among({-2: 0.7, -1: 0.9, 0: None, 1: None}))

    confirmation = result["confirmation"]
    assert (confirmation["outcome"], confirmation["margin"]) == ("adjusted", None)
    assert result["max_lr"] == pytest.approx(BOUNDS.max_lr / 2, rel=0.01)
    assert [one["finals"] for one in confirmation["tried"][2:]] == [(None,), (None,)]


@pytest.mark.parametrize("value", [None, 0.1])
def test_where_none_trains_any_more_the_bounds_stay_and_are_warned_of(value: float | None) -> None:
    result = says(lambda _: value)

    assert (result["confirmation"]["outcome"], result["max_lr"]) == ("not_possible", BOUNDS.max_lr)
    assert result["warnings"] == [*BOUNDS.warnings, DIVERGED]
    assert {final for one in result["confirmation"]["tried"] for final in one["finals"]} == {None}


def test_without_classes_the_lower_loss_is_better() -> None:
    losses = among({-2: 0.5, -1: 0.1, 0: 0.3, 1: 0.5})

    result = says(losses, bounds=BOUNDS_OF_LOSS, classes=False)

    assert result["confirmation"]["metric"] == "loss"
    assert result["max_lr"] == pytest.approx(BOUNDS_OF_LOSS.max_lr / 2, rel=0.02)


def test_a_training_that_is_told_is_what_is_trained() -> None:
    following = next_runs(BOUNDS, [], training=ONE_CYCLE, seed=3, sweep=2)

    assert {(run.shape, run.num_steps) for run in following} == {("one_cycle", 1000)}
    rates = BOUNDS.for_training("one_cycle", num_steps=1000)
    assert [run.schedule["max_lr"] / rates.max_lr for run in following] == pytest.approx([1, 0.5, 2])


def test_a_longer_one_is_trained_as_far_as_was_measured() -> None:
    [first, *_] = next_runs(BOUNDS, [], training=ONE_CYCLE | {"num_steps": 10**6}, seed=3, sweep=2)

    assert first.num_steps == first.schedule["num_steps"] == LONGEST


def test_one_that_nobody_can_count_is_none() -> None:
    unknown = replace(BOUNDS, steps_per_epoch=None)

    [first, *_] = next_runs(unknown, [], training={"policy": "one_cycle", "num_epochs": 3}, seed=3, sweep=2)

    assert (first.shape, first.num_steps) == ("triangular", NUM_STEPS)


def test_trainings_of_one_that_is_told_move_its_rates_and_not_the_bounds() -> None:
    before = BOUNDS.for_training("one_cycle", num_steps=1000)

    bounds = confirm_bounds(BOUNDS, play(peak_at(-2), training=ONE_CYCLE), training=ONE_CYCLE)
    rates = bounds.for_training("one_cycle", num_steps=1000)

    assert bounds.confirmation is not None
    assert (bounds.base_lr, bounds.max_lr) == (BOUNDS.base_lr, BOUNDS.max_lr)
    for name in ("base_lr", "max_lr", "constant_lr"):
        assert getattr(rates, name) == bounds.confirmation.factor * getattr(before, name)
    assert rates.max_lr_interval[0] <= rates.max_lr <= rates.max_lr_interval[1]
    assert rates.basis == "training"
    assert "5 trainings of 1,000 steps" in rates.reason
    assert bounds.schedule("one_cycle", num_steps=1000).model_dump()["max_lr"] == pytest.approx(rates.max_lr)


@pytest.mark.parametrize(("num_steps", "settled"), [(249, False), (250, True), (4000, True), (4001, False)])
def test_they_tell_the_rates_for_trainings_about_as_long(num_steps: int, settled: bool) -> None:
    bounds = confirm_bounds(BOUNDS, play(peak_at(-2), training=ONE_CYCLE), training=ONE_CYCLE)

    rates = bounds.for_training("one_cycle", num_steps=num_steps)

    assert (rates.basis == "training") == settled
    assert (rates != BOUNDS.for_training("one_cycle", num_steps=num_steps)) == settled


def test_the_longest_that_are_trained_tell_those_for_all_longer_ones() -> None:
    training = ONE_CYCLE | {"num_steps": 10**6}
    bounds = confirm_bounds(BOUNDS, play(peak_at(-2), training=training), training=training)

    assert bounds.for_training("one_cycle", num_steps=10**7).basis == "training"


def test_trainings_too_short_to_learn_much_have_not_diverged() -> None:
    training = ONE_CYCLE | {"num_steps": 10}

    result = says(among({-1: 0.1, 0: 0.11, 1: 0.13, 2: 0.11}), training=training)

    assert (result["confirmation"]["outcome"], result["confirmation"]["margin"]) == (
        "adjusted",
        pytest.approx(0.02),
    )


def test_of_trainings_that_know_less_than_nothing_the_best_is_taken() -> None:
    training = ONE_CYCLE | {"num_steps": 10}

    confirmation = says(among({-2: None, -1: 0.05, 0: 0.04, 1: None}), training=training)["confirmation"]

    assert confirmation["factor"] == pytest.approx(0.5)


def test_what_an_older_version_trained_is_not_kept() -> None:
    ours = play(peak_at(0), training=ONE_CYCLE)
    of_old = [
        replace(run, plan=replace(run.plan, **changed))
        for run, changed in zip(
            ours, [{"label": "constant_lr"}, {"num_steps": 320}, {"seed": 4}], strict=True
        )
    ]

    kept = keep_asked(BOUNDS, [*of_old, *ours], training=ONE_CYCLE, seed=3)

    assert kept == ours


def test_they_say_nothing_of_another_policy() -> None:
    bounds = confirm_bounds(BOUNDS, play(peak_at(-2), training=ONE_CYCLE), training=ONE_CYCLE)

    assert bounds.for_training("triangular2", num_steps=1000) == BOUNDS.for_training(
        "triangular2", num_steps=1000
    )


def test_where_all_of_its_trainings_diverge_its_rates_stay() -> None:
    bounds = confirm_bounds(BOUNDS, play(lambda _: None, training=ONE_CYCLE), training=ONE_CYCLE)

    assert bounds.for_training("one_cycle", num_steps=1000) == BOUNDS.for_training(
        "one_cycle", num_steps=1000
    )


def test_what_json_holds_of_them_tells_the_same_rates() -> None:
    bounds = confirm_bounds(BOUNDS, play(peak_at(-2), training=ONE_CYCLE), training=ONE_CYCLE)

    read = Bounds.from_dict(bounds.to_dict())

    assert read.for_training("one_cycle", num_steps=1000) == bounds.for_training("one_cycle", num_steps=1000)


def test_a_run_that_reached_its_end_with_no_finite_loss_has_diverged() -> None:
    [first, *_] = play(peak_at(0))

    assert first.final == first.held_out[-1]
    assert replace(first, held_out=[replace(first.held_out[-1], loss=math.nan)]).final is None
