"""What a confirmation trains, and what it then says of the bounds."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from clr.analysis import read_bounds
from clr.bounds import Bounds
from clr.confirmation_budget import MOST_STEPS, NUM_STEPS
from clr.contender import ContenderRun, RunPlan
from clr.halving import next_run
from clr.sweep import HeldOut, Point
from clr.verdict import EDGE, UNDECIDED, confirm_bounds
from tests.clr.curves import Curve, accuracy_with_edges, loss_of, measured, plan

ACCURACY = accuracy_with_edges(0.05, 0.5)


def bounds_of(accuracy: Curve | None) -> Bounds:
    found = read_bounds([measured(plan(seed=seed), loss_of(ACCURACY), accuracy) for seed in range(3)])
    assert isinstance(found, Bounds)
    return found


BOUNDS, BOUNDS_OF_LOSS = bounds_of(ACCURACY), bounds_of(None)
LABELS = ["max_lr / 2", "max_lr", "max_lr x 2", "constant_lr", "one_cycle"]
NOISE = (0.001, 0.0, -0.001, 0.002)  # by seed
EVEN = dict.fromkeys(LABELS, 0.8) | {"max_lr": 0.9}


def train(following: RunPlan, value: float | None, *, classes: bool = True) -> ContenderRun:
    """A run that ends at this value, with its seed's noise; None diverges in the middle."""
    if value is None:
        return ContenderRun(following, [Point(step, 0.1, math.nan) for step in range(NUM_STEPS // 2)])
    value += NOISE[following.seed - 3]
    look = HeldOut(NUM_STEPS - 1, 0.1, 1 - value if classes else value, value if classes else None)
    return ContenderRun(following, [Point(step, 0.1, 0.5) for step in range(NUM_STEPS)], [look])


def play(values: Mapping[str, float | None], *, classes: bool = True) -> list[ContenderRun]:
    """A whole confirmation in which a contender ends at the same value with every seed, but for the noise."""
    bounds = BOUNDS if classes else BOUNDS_OF_LOSS
    finished: list[ContenderRun] = []
    while (following := next_run(bounds, finished, seed=3, sweep=2)) is not None:
        finished.append(train(following, values[following.label], classes=classes))
        assert len(finished) <= MOST_STEPS // NUM_STEPS
    return finished


def says(values: Mapping[str, float | None], *, classes: bool = True) -> dict[str, Any]:
    bounds = BOUNDS if classes else BOUNDS_OF_LOSS
    result = confirm_bounds(bounds, play(values, classes=classes)).to_dict()
    assert result.keys() == bounds.to_dict().keys() | {"confirmation"}
    return result


def seeds_of(runs: list[ContenderRun]) -> dict[str, int]:
    return {label: sum(run.plan.label == label for run in runs) for label in LABELS}


def test_all_are_trained_once_and_the_better_of_each_pair_again() -> None:
    seeds = seeds_of(play(EVEN | {"max_lr / 2": 0.85, "one_cycle": 0.88}))

    assert list(seeds.values()) == [2, 2, 1, 1, 2]


def test_who_is_ahead_of_ours_is_compared_with_all_seeds() -> None:
    seeds = seeds_of(play(EVEN | {"max_lr x 2": 0.91, "constant_lr": 0.89}))

    assert list(seeds.values()) == [1, 4, 4, 2, 1]


def test_a_run_has_a_place_of_its_own_and_a_seed_that_the_test_did_not_use() -> None:
    runs = play(EVEN | {"max_lr x 2": 0.91, "one_cycle": 0.92})

    places = [(run.plan.sweep, run.plan.seed) for run in runs]
    assert len(set(places)) == len(places) == MOST_STEPS // NUM_STEPS
    assert {seed for _, seed in places} == {3, 4, 5, 6}
    assert min(sweep for sweep, _ in places) == 2


def test_the_same_runs_give_the_same_plan() -> None:
    runs = play(EVEN | {"max_lr x 2": 0.91})

    for length in range(len(runs)):
        assert next_run(BOUNDS, runs[:length], seed=3, sweep=2) == runs[length].plan


def test_every_run_has_the_same_budget() -> None:
    for run in play(EVEN):
        training = run.plan.training(steps_per_epoch=10)
        assert [cycle.stop for _, cycle in training.cycles()][-1] == NUM_STEPS
        assert training.schedule.model_dump(mode="json") == run.plan.schedule


def test_bounds_that_nothing_beats_are_confirmed_as_they_were() -> None:
    result = says(EVEN)

    confirmation = result.pop("confirmation")
    assert result == BOUNDS.to_dict()
    assert (confirmation["outcome"], confirmation["margin"]) == ("confirmed", 0.0)
    assert "nothing around it was better" in confirmation["message"]
    assert [one["dropped_after"] for one in confirmation["tried"]] == [None, None, 1, None, 1]
    assert confirmation["steps"] == 8 * NUM_STEPS


def test_a_difference_within_the_noise_moves_nothing() -> None:
    result = says(EVEN | {"max_lr / 2": 0.9005})

    assert (result["confirmation"]["outcome"], result["max_lr"]) == ("confirmed", BOUNDS.max_lr)
    assert "within the noise" in result["confirmation"]["message"]


def test_a_large_difference_within_the_noise_is_undecided_and_warned_of() -> None:
    scattered = {3: 0.05, 4: -0.05, 5: 0.03, 6: -0.03}
    finished: list[ContenderRun] = []
    while (following := next_run(BOUNDS, finished, seed=3, sweep=2)) is not None:
        value = EVEN[following.label]
        better = 0.93 + scattered[following.seed] if following.label == "max_lr / 2" else value
        finished.append(train(following, better))

    result = confirm_bounds(BOUNDS, finished).to_dict()

    assert (result["confirmation"]["outcome"], result["max_lr"]) == ("undecided", BOUNDS.max_lr)
    assert result["warnings"] == [*BOUNDS.warnings, UNDECIDED]


@pytest.mark.parametrize(("label", "factor"), [("max_lr / 2", 0.5), ("max_lr x 2", 2.0)])
def test_bounds_move_to_what_was_better_beyond_the_noise(label: str, factor: float) -> None:
    result = says(EVEN | {label: 0.95})

    assert result["confirmation"]["outcome"] == "adjusted"
    assert result["confirmation"]["margin"] == pytest.approx(0.05)
    for name in ("base_lr", "max_lr", "constant_lr"):
        assert result[name] == factor * getattr(BOUNDS, name)
        assert result["evidence"]["range_test"][name] == getattr(BOUNDS, name)
    low, high = result["max_lr_interval"]
    assert low <= result["max_lr"] <= high
    assert low <= BOUNDS.max_lr <= high
    assert result["warnings"] == [*BOUNDS.warnings, EDGE]
    assert result["rule_max"] == result["rule_base"] == "moved_by_training"
    assert f"{label} was better beyond the noise" in result["reason_max"]


def test_bounds_that_diverge_move_to_what_does_not() -> None:
    result = says(EVEN | {"max_lr": None, "max_lr x 2": None})

    confirmation = result["confirmation"]
    assert (confirmation["outcome"], result["max_lr"]) == ("adjusted", BOUNDS.max_lr / 2)
    assert confirmation["margin"] is None
    assert [one["finals"] for one in confirmation["tried"][1:3]] == [(None,), (None,)]


def test_where_every_run_diverges_the_bounds_stay_and_are_warned_of() -> None:
    result = says(dict.fromkeys(LABELS))

    assert (result["confirmation"]["outcome"], result["max_lr"]) == ("not_possible", BOUNDS.max_lr)
    assert "diverged" in result["warnings"][-1]


def test_bounds_at_which_nothing_is_learned_any_more_are_not_confirmed() -> None:
    result = says(dict.fromkeys(LABELS, 0.1))

    assert result["confirmation"]["outcome"] == "not_possible"
    assert {final for one in result["confirmation"]["tried"] for final in one["finals"]} == {None}


def test_who_ends_just_where_ours_does_was_not_better() -> None:
    confirmation = says(EVEN | {"max_lr / 2": 0.9})["confirmation"]

    assert (confirmation["outcome"], confirmation["margin"]) == ("confirmed", 0.0)
    assert "nothing around it was better" in confirmation["message"]


def test_another_policy_is_recommended_and_moves_nothing() -> None:
    result = says(EVEN | {"one_cycle": 0.95})

    assert (result["confirmation"]["outcome"], result["max_lr"]) == ("confirmed", BOUNDS.max_lr)
    assert "one_cycle was better beyond the noise" in result["confirmation"]["message"]


def test_without_classes_the_lower_loss_is_better() -> None:
    result = says(dict.fromkeys(LABELS, 0.5) | {"max_lr": 0.3, "max_lr / 2": 0.1}, classes=False)

    assert (result["confirmation"]["outcome"], result["max_lr"]) == ("adjusted", BOUNDS_OF_LOSS.max_lr / 2)
    assert result["confirmation"]["metric"] == "loss"


def test_a_run_that_reached_its_end_with_no_finite_loss_has_diverged() -> None:
    [first, *_] = play(EVEN)

    assert first.final == first.held_out[-1]
    assert replace(first, held_out=[replace(first.held_out[-1], loss=math.nan)]).final is None
