"""Bounds read off curves whose answer is known."""

import json
import math
from statistics import median

import numpy as np
import pytest

from clr.analysis import read_bounds
from clr.bounds import Bounds, Inconclusive
from clr.sweep import HeldOut, Point, Sweep
from tests.clr.curves import (
    GOOD,
    accuracy_with_edges,
    bounds_of,
    loss_of,
    measured,
    plan,
    quick,
    seeds,
)


def test_both_edges_are_read_off_the_accuracy() -> None:
    found = bounds_of(seeds(loss_of(GOOD), GOOD, noise=0.02))

    assert found.max_lr == pytest.approx(0.45, rel=0.25)
    assert found.base_lr == pytest.approx(0.085, rel=0.3)
    assert (found.rule_base, found.rule_max) == ("rise_begins", "plateau_ends")


def test_an_interval_spans_the_seeds_and_holds_the_answer() -> None:
    sweeps = [
        measured(plan(seed=seed), loss_of(edge), edge)
        for seed, edge in enumerate(accuracy_with_edges(0.1, falls_at) for falls_at in (0.4, 0.5, 0.6))
    ]

    found = bounds_of(sweeps)

    low, high = found.max_lr_interval
    assert low < found.max_lr < high
    assert len(found.evidence["seeds"]) == 3


def test_a_rise_too_early_to_resolve_leaves_base_lr_at_a_quarter_of_max_lr() -> None:
    early = accuracy_with_edges(rises_at=0.004, falls_at=0.6)

    found = bounds_of(seeds(loss_of(early), early))

    assert found.rule_base == "quarter_of_max"
    assert found.base_lr == pytest.approx(found.max_lr / 4, rel=1e-3)


def test_without_accuracy_the_held_out_loss_decides() -> None:
    found = bounds_of(seeds(loss_of(GOOD), noise=0.02))

    assert found.max_lr == pytest.approx(0.45, rel=0.25)
    assert found.evidence["seeds"][0]["metric"] == "held_out_loss"


def test_too_few_looks_are_not_read_and_a_warning_says_so() -> None:
    few = [measured(plan(seed=seed, eval_every=40), loss_of(GOOD), GOOD, noise=0.02) for seed in range(3)]

    bounds = bounds_of(few)

    assert bounds.metric == "loss"
    assert bounds.warnings[0].startswith("11 looks at the held-out set are too few: take 12 or more")


def test_without_a_held_out_set_the_training_loss_decides() -> None:
    found = bounds_of(seeds(loss_of(GOOD), noise=0.02, held_out=False))

    assert found.max_lr == pytest.approx(0.45, rel=0.25)
    assert found.evidence["seeds"][0]["metric"] == "loss"


def test_bounds_hold_the_metric_and_the_medians_of_lowest_and_highest_score() -> None:
    bounds = bounds_of(seeds(loss_of(GOOD), GOOD, noise=0.02))

    seed_scores = bounds.evidence["seeds"]
    assert bounds.metric == "accuracy"
    assert bounds.floor == median(seed["floor"] for seed in seed_scores)
    assert bounds.peak == median(seed["peak"] for seed in seed_scores)
    assert not {"metric", "floor", "peak"} & bounds.to_dict().keys()


@pytest.mark.parametrize(("scale", "offset"), [(1.0, -10.0), (1e-6, 0.0), (1e6, 5e7)])
def test_the_answer_does_not_depend_on_the_losss_scale_or_sign(scale: float, offset: float) -> None:
    plain = bounds_of(seeds(loss_of(GOOD), held_out=False))
    moved = bounds_of(seeds(lambda lr: offset + scale * loss_of(GOOD)(lr), held_out=False))

    assert moved.max_lr == pytest.approx(plain.max_lr, rel=0.02)


def test_a_nan_tail_ends_the_curve_where_it_begins() -> None:
    sweeps = seeds(loss_of(GOOD), GOOD)
    for sweep in sweeps:
        for index, look in enumerate(sweep.held_out):
            if look.lr > 0.3:
                sweep.held_out[index] = HeldOut(look.step, look.lr, math.nan, math.nan)

    found = bounds_of(sweeps)

    assert found.max_lr <= 0.3


def test_the_highest_range_that_trains_as_well_is_chosen_and_bounds_max_lr() -> None:
    still_good = accuracy_with_edges(rises_at=0.02, falls_at=100)
    wide = measured(plan(sweep=1, end_lr=3.0), lambda lr: 1.5, lambda lr: 0.4)
    chosen = [
        measured(plan(sweep=2, seed=seed, end_lr=0.3), loss_of(still_good), still_good) for seed in range(3)
    ]

    found = bounds_of([wide, *chosen])

    assert found.rule_max == "highest_range_that_trains_as_well"
    assert found.max_lr == pytest.approx(0.3, rel=0.02)


def test_step_size_is_two_epochs_where_the_epoch_is_known() -> None:
    assert bounds_of(seeds(loss_of(GOOD), GOOD), steps_per_epoch=43.7).step_size == 87
    assert bounds_of(seeds(loss_of(GOOD), GOOD)).step_size == 2000


def test_an_epoch_of_a_few_steps_is_warned_of() -> None:
    bounds = bounds_of(seeds(loss_of(GOOD), GOOD), steps_per_epoch=1)

    assert bounds.step_size == 20
    assert "2 epochs are only 2 steps, so step_size is 20" in bounds.warnings[-1]


def test_an_adaptive_optimizer_is_warned_of() -> None:
    found = bounds_of(seeds(loss_of(GOOD), GOOD), optimizer="AdamW")

    assert any("AdamW" in warning for warning in found.warnings)


def test_the_interval_is_the_same_with_one_seed_as_with_three() -> None:
    for num_seeds in (1, 3):
        found = bounds_of(seeds(loss_of(GOOD), GOOD, num_seeds=num_seeds))
        low, high = found.max_lr_interval

        assert (found.max_lr / low, high / found.max_lr) == pytest.approx((10**0.15, 10**0.25), rel=1e-3)


def test_a_quick_test_answers_the_middle_of_the_rates_of_low_loss() -> None:
    quick = plan(sweep=0, phase="scout", shape="exponential", start_lr=1e-6, end_lr=10.0, num_steps=200)
    valley = accuracy_with_edges(rises_at=0.01, falls_at=1.0)

    found = bounds_of([measured(quick, loss_of(valley), valley)])

    assert found.rule_max == "basin_of_lowest_loss"
    assert found.max_lr == pytest.approx(0.1, rel=0.3)


def test_max_lr_is_the_geometric_mean_of_the_ranges_and_the_scout() -> None:
    scout = plan(sweep=0, phase="scout", shape="exponential", start_lr=1e-6, end_lr=10.0, num_steps=200)
    tests = seeds(loss_of(GOOD), GOOD)
    quick = bounds_of([measured(scout, loss_of(GOOD), GOOD)], momentum=0.0)

    alone = bounds_of(tests)
    both = bounds_of([measured(scout, loss_of(GOOD), GOOD), *tests], momentum=0.0)

    assert both.max_lr == pytest.approx(math.sqrt(alone.max_lr * quick.max_lr), rel=1e-3)
    low, high = both.max_lr_interval
    assert low <= quick.max_lr < alone.max_lr <= high


@pytest.mark.parametrize("momentum", [0.9, 0.95])
def test_where_ranges_and_scout_are_far_apart_max_lr_stays_near_the_lower(momentum: float) -> None:
    scout = plan(sweep=0, phase="scout", shape="exponential", start_lr=1e-6, end_lr=10.0, num_steps=200)
    quick = bounds_of([measured(scout, loss_of(GOOD), GOOD)], momentum=momentum)

    both = bounds_of([measured(scout, loss_of(GOOD), GOOD), *seeds(loss_of(GOOD), GOOD)], momentum=momentum)

    assert both.max_lr == pytest.approx(quick.max_lr * 10**0.2, rel=1e-3)
    assert "far apart" in both.reason_max
    assert both.max_lr_interval[0] == pytest.approx(quick.max_lr, rel=1e-3)


def test_a_rate_just_before_a_nan_is_not_the_answer() -> None:
    sweeps = []
    for full in seeds(loss_of(GOOD), GOOD):
        held_out = [look for look in full.held_out if look.lr < 0.3]
        points = full.points[: held_out[-1].step + 1]
        nan = Point(len(points), full.plan.lr(len(points)), math.nan)
        sweeps.append(Sweep(full.plan, [*points, nan], held_out))

    found = bounds_of(sweeps)

    assert 0.2 < found.max_lr < 0.29


@pytest.mark.parametrize("num_steps", range(2, 18))
@pytest.mark.parametrize("shape", ["linear", "exponential"])
def test_a_short_sweep_does_not_raise(num_steps: int, shape: str) -> None:
    short = measured(plan(num_steps=num_steps, shape=shape), loss_of(GOOD), held_out=False)

    assert isinstance(read_bounds([short]), Bounds if num_steps >= 12 else Inconclusive)


def test_every_answer_is_plain_json() -> None:
    found = [read_bounds(seeds(loss_of(GOOD), GOOD)), read_bounds(seeds(lambda lr: 0.7))]

    for answer in found:
        json.dumps(answer.to_dict(), allow_nan=False)


def test_the_raw_curve_is_left_as_it_was() -> None:
    sweeps = seeds(loss_of(GOOD), GOOD, noise=0.1)
    before = np.array([point.loss for sweep in sweeps for point in sweep.points])

    read_bounds(sweeps)

    np.testing.assert_array_equal(before, [point.loss for sweep in sweeps for point in sweep.points])


def test_a_quick_test_says_that_one_exponential_sweep_does_not_resolve_the_rise() -> None:
    found = bounds_of([quick(loss_of(GOOD))])

    assert "exponential sweep" in found.reason_base


def test_a_rise_near_max_lr_is_not_called_one_near_the_start() -> None:
    late = accuracy_with_edges(rises_at=0.45, falls_at=0.6)

    found = bounds_of(seeds(loss_of(late), late))

    assert found.rule_base == "quarter_of_max"
    assert "begins so late" in found.reason_base


def test_a_base_lr_below_the_tested_range_is_warned_of() -> None:
    sweeps = [measured(plan(seed=seed, start_lr=0.2), loss_of(GOOD), GOOD, noise=0.01) for seed in range(3)]

    found = bounds_of(sweeps)

    assert found.base_lr < 0.2
    assert any("below 0.2" in warning for warning in found.warnings)


def test_one_range_alone_is_warned_of() -> None:
    found = bounds_of(seeds(loss_of(GOOD), GOOD))

    assert any("one range alone" in warning for warning in found.warnings)


def test_a_loss_that_fell_by_half_before_it_diverged_is_not_said_to_only_rise() -> None:
    def loss(lr: float) -> float:
        return 0.64 - 0.36 / (1 + (1e-3 / lr) ** 2) + 3 * max(0.0, lr - 0.5)

    sweep = plan(sweep=0, phase="scout", shape="exponential", start_lr=1e-6, end_lr=10.0, num_steps=200)

    bounds_of([measured(sweep, loss, noise=0.05, held_out=False)])


def test_bounds_tell_where_the_scout_lost_all_or_broke_off() -> None:
    plan_ = plan(sweep=0, phase="scout", shape="exponential", start_lr=1e-6, end_lr=10.0, num_steps=200)
    dies = measured(plan_, lambda lr: 2.3 if lr > 3 else loss_of(GOOD)(min(lr, 0.3)), GOOD)
    whole = measured(plan_, lambda lr: loss_of(GOOD)(min(lr, 0.3)), GOOD)
    broken = Sweep(plan_, whole.points[:190], whole.held_out[:-2])

    found = [bounds_of([scout, *seeds(loss_of(GOOD), GOOD)]).breaks_at for scout in (whole, broken, dies)]

    assert found == [None, broken.points[-1].lr, pytest.approx(3, rel=0.6)]
