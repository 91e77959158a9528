"""What is measured next, given what was measured."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from clr.confirmation_budget import MOST_RUNS, NUM_STEPS, USUAL_RUNS
from clr.range_test import STEP_DOWN, RangeTestConfig, foresee_sweeps, most_steps, next_sweep, planned_steps
from clr.ranges import choose_range
from clr.reading import Reading
from clr.sweep import Point, Sweep, SweepPlan
from tests.clr.curves import Curve, accuracy_with_edges, loss_of, measured

Measure = Callable[[SweepPlan], Sweep]


def run(config: RangeTestConfig, accuracy: Curve) -> list[Sweep]:
    """Play a whole test on a task whose accuracy depends on lr alone."""
    finished: list[Sweep] = []
    while (following := next_sweep(config, finished)) is not None:
        finished.append(measured(following, loss_of(accuracy), accuracy))
        assert len(finished) < 30
    return finished


def depends_on_range(good_up_to: float) -> Measure:
    """A task whose wide sweeps end ruined: the lower the range's end, the better, down to a point."""

    def measure(following: SweepPlan) -> Sweep:
        spoilt = max(0.0, math.log10(following.end_lr / good_up_to))
        accuracy = accuracy_with_edges(good_up_to / 15, 1.5 * good_up_to)
        return measured(following, lambda lr: loss_of(accuracy)(lr) + 0.5 * spoilt * accuracy(lr), accuracy)

    return measure


def test_a_scout_comes_first_and_every_seed_measures_the_chosen_range() -> None:
    finished = run(RangeTestConfig(seed=7, num_seeds=3), accuracy_with_edges(0.01, 0.5))

    assert finished[0].plan.phase == "scout"
    assert all(sweep.plan.phase == "test" for sweep in finished[1:])
    last = finished[-1].plan.end_lr
    assert [sweep.plan.seed for sweep in finished if sweep.plan.end_lr == last][-2:] == [8, 9]


@pytest.mark.parametrize("good_up_to", [0.003, 0.1])
def test_the_chosen_range_has_a_worse_one_on_either_side(good_up_to: float) -> None:
    measure, config = depends_on_range(good_up_to), RangeTestConfig(num_seeds=1)
    finished: list[Sweep] = []
    while (following := next_sweep(config, finished)) is not None:
        finished.append(measure(following))

    ends = {sweep.plan.end_lr for sweep in finished[1:]}
    chosen = choose_range([Reading(sweep) for sweep in finished[1:]])[0].plan.end_lr
    assert good_up_to / STEP_DOWN <= chosen <= good_up_to * STEP_DOWN
    assert min(ends) < chosen < max(ends)


def test_the_same_measurements_give_the_same_plan() -> None:
    config = RangeTestConfig()
    finished = run(config, accuracy_with_edges(0.01, 0.5))

    for length in range(len(finished)):
        assert next_sweep(config, finished[:length]) == finished[length].plan


def test_a_stored_config_is_read_by_its_fields_and_the_rest_has_defaults() -> None:
    assert RangeTestConfig.from_dict({"workload": "digits-mlp", "num_seeds": 2}) == RangeTestConfig(
        num_seeds=2
    )


def test_given_ends_are_the_only_range_and_need_no_scout() -> None:
    config = RangeTestConfig(start_lr=0.01, end_lr=2.0, num_steps=50, num_seeds=2)

    plans = [sweep.plan for sweep in run(config, accuracy_with_edges(0.05, 1.0))]

    assert [(plan.seed, plan.start_lr, plan.end_lr, plan.num_steps) for plan in plans] == [
        (0, 0.01, 2.0, 50),
        (1, 0.01, 2.0, 50),
    ]


def test_a_quick_test_is_one_short_exponential_sweep() -> None:
    (sweep,) = run(RangeTestConfig(effort="quick", num_seeds=9), accuracy_with_edges(0.05, 1.0))

    assert (sweep.plan.shape, sweep.plan.num_steps) == ("exponential", 200)


def test_a_scout_that_is_not_finite_from_the_start_ends_the_test() -> None:
    config = RangeTestConfig()
    scout = next_sweep(config, [])
    assert scout is not None

    assert next_sweep(config, [Sweep(scout, [Point(0, scout.start_lr, math.nan)])]) is None


def cut(sweep: Sweep, at: float) -> Sweep:
    """A sweep that broke off beyond a rate."""
    return Sweep(
        sweep.plan,
        [point for point in sweep.points if point.lr <= at],
        [look for look in sweep.held_out if look.lr <= at],
    )


def test_a_scout_that_learned_nothing_tells_where_training_breaks_off() -> None:
    config = RangeTestConfig()
    scout = next_sweep(config, [])
    assert scout is not None

    following = next_sweep(config, [cut(measured(scout, lambda lr: 2.3, lambda lr: 0.1), 0.2)])

    assert following is not None
    assert following.end_lr == pytest.approx(10**-0.5)


def test_below_a_rate_that_breaks_off_every_range_is_searched_until_one_learns() -> None:
    slow = accuracy_with_edges(rises_at=0.004, falls_at=0.03)
    config = RangeTestConfig(num_seeds=1)
    finished: list[Sweep] = []
    while (following := next_sweep(config, finished)) is not None:
        learns = following.phase == "test" and following.end_lr < 0.05
        accuracy = slow if learns else lambda lr: 0.1
        finished.append(cut(measured(following, loss_of(accuracy), accuracy), 0.2))

    assert choose_range([Reading(sweep) for sweep in finished[1:]])[0].plan.end_lr == pytest.approx(10**-1.5)


def test_below_a_best_range_that_broke_off_two_lower_ones_are_measured() -> None:
    depths = {1.0: 0.8, 10**-0.5: 0.5, 0.1: 1.0, 10**-1.5: 0.2, 0.01: 0.1}
    config = RangeTestConfig(num_seeds=1, end_lr=1.0)
    finished: list[Sweep] = []
    while (following := next_sweep(config, finished)) is not None:
        fallen = 1.0 if following.phase == "scout" else _nearest(depths, following.end_lr)
        accuracy = accuracy_with_edges(following.end_lr / 30, following.end_lr / 2)
        whole = measured(following, lambda lr, fallen=fallen, at=accuracy: 2.3 - fallen * at(lr), accuracy)  # type: ignore[misc]
        finished.append(cut(whole, 0.9))

    assert choose_range([Reading(sweep) for sweep in finished[1:]])[0].plan.end_lr == pytest.approx(0.1)


def _nearest(depths: dict[float, float], end_lr: float) -> float:
    return depths[min(depths, key=lambda known: abs(math.log(known / end_lr)))]


def test_a_task_that_learns_nothing_is_not_searched_range_by_range() -> None:
    finished = run(RangeTestConfig(num_seeds=2), lambda lr: 0.1)

    assert len({sweep.plan.end_lr for sweep in finished[1:]}) == 1


@pytest.mark.parametrize(
    "config",
    [
        RangeTestConfig(),
        RangeTestConfig(num_seeds=1, num_steps=50),
        RangeTestConfig(effort="quick"),
        RangeTestConfig(effort="thorough"),
        RangeTestConfig(start_lr=0.01, end_lr=1.0),
    ],
)
@pytest.mark.parametrize("falls_at", [1e-5, 0.01, 0.5, 100.0])
def test_no_test_takes_more_steps_than_the_most_it_may(config: RangeTestConfig, falls_at: float) -> None:
    finished = run(config, accuracy_with_edges(falls_at / 10, falls_at))

    assert sum(len(sweep.points) for sweep in finished) <= most_steps(config)


def test_the_expected_steps_are_reached_and_never_passed_unseen() -> None:
    config = RangeTestConfig()
    finished: list[Sweep] = []
    while (following := next_sweep(config, finished)) is not None:
        done = sum(len(sweep.points) for sweep in finished)
        assert planned_steps(config, finished) >= done + following.num_steps
        finished.append(measured(following, loss_of(accuracy_with_edges(0.01, 0.5))))


def test_a_higher_range_is_measured_where_most_seeds_still_score_well_at_the_highest() -> None:
    first, others = accuracy_with_edges(0.01, 0.25), accuracy_with_edges(0.01, 100.0)
    config = RangeTestConfig()
    finished: list[Sweep] = []
    while (following := next_sweep(config, finished)) is not None:
        accuracy = others if following.seed else first
        finished.append(measured(following, loss_of(accuracy), accuracy))

    tests = finished[1:]
    highest = max(sweep.plan.end_lr for sweep in tests)
    all_seeds_at = min(sweep.plan.end_lr for sweep in tests if sweep.plan.seed == 1)
    assert highest > all_seeds_at
    assert sum(len(sweep.points) for sweep in finished) <= most_steps(config)


def test_a_thorough_test_measures_what_a_standard_one_does_and_leaves_room_for_training() -> None:
    standard, thorough = RangeTestConfig(), RangeTestConfig(effort="thorough")

    assert run(thorough, accuracy_with_edges(0.01, 0.5)) == run(standard, accuracy_with_edges(0.01, 0.5))
    assert most_steps(thorough) - most_steps(standard) == MOST_RUNS * NUM_STEPS
    assert planned_steps(thorough, []) - planned_steps(standard, []) == USUAL_RUNS * NUM_STEPS
    assert most_steps(thorough, run_steps=1000) - most_steps(standard, run_steps=1000) == MOST_RUNS * 1000


def asked(plans: Iterable[SweepPlan]) -> set[SweepPlan]:
    """The plans but for their numbers, which name sweeps in the order they were asked for."""
    return {replace(plan, sweep=0) for plan in plans}


@pytest.mark.parametrize("good_up_to", [0.003, 0.1])
@pytest.mark.parametrize(
    "config", [RangeTestConfig(), RangeTestConfig(num_steps=150), RangeTestConfig(start_lr=1e-3)]
)
def test_most_of_what_is_foreseen_is_asked_for(good_up_to: float, config: RangeTestConfig) -> None:
    measure, foreseen = depends_on_range(good_up_to), set[SweepPlan]()
    finished: list[Sweep] = []
    while (following := next_sweep(config, finished)) is not None:
        foreseen |= asked(foresee_sweeps(config, finished)[:1])  # as one idle slot takes it
        finished.append(measure(following))

    wasted = sum(plan.num_steps for plan in foreseen - asked(sweep.plan for sweep in finished))
    assert len(foreseen) >= 2
    assert wasted <= 0.3 * sum(len(sweep.points) for sweep in finished)


def test_what_is_foreseen_is_never_what_is_measured_now_or_was() -> None:
    config = RangeTestConfig()
    finished = run(config, accuracy_with_edges(0.01, 0.5))

    for length in range(len(finished)):
        known = asked(sweep.plan for sweep in finished[: length + 1])
        assert not known & asked(foresee_sweeps(config, finished[:length]))


def test_nothing_is_foreseen_before_the_scout_has_told_where() -> None:
    assert foresee_sweeps(RangeTestConfig(), []) == []


def test_the_seeds_of_a_range_that_was_asked_for_are_foreseen() -> None:
    config = RangeTestConfig(start_lr=0.001, end_lr=1.0, num_seeds=4)

    assert [plan.seed for plan in foresee_sweeps(config, [])] == [1, 2, 3]
