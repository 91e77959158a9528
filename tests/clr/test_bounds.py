"""Bounds on curves whose answer is known, and doubt on curves that have none."""

import json
import math
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from clr.analysis import read_bounds
from clr.bounds import Bounds, Inconclusive
from clr.reading import Reading
from clr.sweep import HeldOut, Point, Sweep
from tests.clr.curves import accuracy_with_edges, loss_of, measured, plan

GOOD = accuracy_with_edges(rises_at=0.1, falls_at=0.6)


def bounds_of(sweeps: list[Sweep], **context: object) -> Bounds:
    found = read_bounds(sweeps, **context)  # type: ignore[arg-type]
    assert isinstance(found, Bounds), found
    return found


def doubt_of(sweeps: list[Sweep]) -> Inconclusive:
    found = read_bounds(sweeps)
    assert isinstance(found, Inconclusive), found
    return found


def seeds(loss: object, accuracy: object = None, *, num_seeds: int = 3, **options: float) -> list[Sweep]:
    return [
        measured(plan(seed=seed), loss, accuracy, **options)  # type: ignore[arg-type]
        for seed in range(num_seeds)
    ]


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
    assert bounds.warnings[0].startswith("10 looks at the held-out set are too few: take 12 or more")


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


def test_an_adaptive_optimizer_and_a_single_seed_are_warned_of() -> None:
    found = bounds_of(seeds(loss_of(GOOD), GOOD, num_seeds=1), optimizer="AdamW")

    assert any("AdamW" in warning for warning in found.warnings)
    assert any("one seed" in warning for warning in found.warnings)


def test_a_quick_test_answers_the_middle_of_the_rates_of_low_loss() -> None:
    quick = plan(sweep=0, phase="scout", shape="exponential", start_lr=1e-6, end_lr=10.0, num_steps=200)
    valley = accuracy_with_edges(rises_at=0.01, falls_at=1.0)

    found = bounds_of([measured(quick, loss_of(valley), valley)])

    assert found.rule_max == "basin_of_lowest_loss"
    assert found.max_lr == pytest.approx(0.1, rel=0.3)


def test_a_quick_test_that_saw_nothing_proposes_the_standard_one() -> None:
    quick = plan(sweep=0, phase="scout", shape="exponential", start_lr=1e-6, end_lr=10.0, num_steps=200)

    found = doubt_of([measured(quick, lambda lr: 2.3, lambda lr: 0.1, noise=0.05)])

    assert found.why == "no_learning"
    assert found.next_experiment["request"] == {"effort": "standard"}


def test_max_lr_is_the_geometric_mean_of_the_ranges_and_the_scout() -> None:
    scout = plan(sweep=0, phase="scout", shape="exponential", start_lr=1e-6, end_lr=10.0, num_steps=200)
    tests = seeds(loss_of(GOOD), GOOD)
    quick = bounds_of([measured(scout, loss_of(GOOD), GOOD)], momentum=0.9)

    alone = bounds_of(tests)
    both = bounds_of([measured(scout, loss_of(GOOD), GOOD), *tests], momentum=0.9)

    assert both.max_lr == pytest.approx(math.sqrt(alone.max_lr * quick.max_lr), rel=1e-3)
    low, high = both.max_lr_interval
    assert low <= min(alone.max_lr, quick.max_lr) < max(alone.max_lr, quick.max_lr) <= high


@pytest.mark.parametrize(("slip", "doubted"), [(0.03, False), (0.3, True)])
def test_seeds_whose_edges_lie_apart_disagree_only_where_it_matters(slip: float, doubted: bool) -> None:
    rises = accuracy_with_edges(rises_at=0.02, falls_at=100.0)

    def slipping_at(edge: float) -> Sweep:
        return measured(
            plan(seed=round(10 * edge)), loss_of(rises), lambda lr: rises(lr) - (slip if lr > edge else 0)
        )

    found = read_bounds([slipping_at(edge) for edge in (0.15, 0.8, 0.9)])

    assert getattr(found, "why", None) == ("seeds_disagree" if doubted else None)


def test_a_loss_that_is_not_finite_from_the_start_is_inconclusive() -> None:
    assert doubt_of([Sweep(plan(), [Point(0, 0.1, math.nan)])]).why == "non_finite_from_start"


def test_a_loss_that_never_changes_is_inconclusive() -> None:
    assert doubt_of(seeds(lambda lr: 0.7, lambda lr: 0.1)).why == "loss_never_changed"


@pytest.mark.parametrize("metric", ["accuracy", "held_out_loss", "loss"])
@pytest.mark.parametrize("first_seed", range(0, 60, 3))
def test_pure_noise_is_inconclusive(metric: str, first_seed: int) -> None:
    sweeps = [
        measured(
            plan(seed=seed),
            lambda lr: 2.3,
            (lambda lr: 0.1) if metric == "accuracy" else None,
            noise=0.05,
            held_out=metric != "loss",
        )
        for seed in range(first_seed, first_seed + 3)
    ]

    assert doubt_of(sweeps).why == "no_learning"


def test_an_accuracy_that_wanders_as_on_random_labels_is_inconclusive() -> None:
    def luck(lr: float) -> float:
        """Of 400 held-out examples in ten classes: it drifts by four standard errors, without jitter."""
        return round(400 * (0.1 - 0.03 * math.cos(6 * lr))) / 400

    sweeps = [measured(plan(seed=seed), lambda lr: 2.3 - 0.05 * math.sin(3 * lr), luck) for seed in range(3)]

    assert doubt_of(sweeps).why == "no_learning"


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.3])
@pytest.mark.parametrize("metric", ["accuracy", "held_out_loss", "loss"])
def test_a_loss_that_only_rises_is_inconclusive(metric: str, noise: float) -> None:
    accuracy = (lambda lr: 0.1) if metric == "accuracy" else None
    sweeps = seeds(lambda lr: 2.3 + 5 * lr, accuracy, noise=noise, held_out=metric != "loss")

    assert doubt_of(sweeps).why == "no_learning"


def test_a_rate_just_before_a_nan_is_not_the_answer() -> None:
    sweeps = []
    for full in seeds(loss_of(GOOD), GOOD):
        held_out = [look for look in full.held_out if look.lr < 0.3]
        points = full.points[: held_out[-1].step + 1]
        nan = Point(len(points), full.plan.lr(len(points)), math.nan)
        sweeps.append(Sweep(full.plan, [*points, nan], held_out))

    found = bounds_of(sweeps)

    assert 0.2 < found.max_lr < 0.29


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("seed", range(10))
def test_the_parabola_that_lightning_reads_decades_too_low_is_told_to_go_on_upwards(
    noise: float, seed: int
) -> None:
    place = np.linspace(-50, 50, 100)
    losses = (-(place**2) - 30 * place + 4000) / 1000  # Lightning's issue 21141: falls until the end, lr = 1
    losses += np.random.default_rng(seed).uniform(-noise, noise, 100)
    quick = plan(shape="exponential", phase="scout", start_lr=1e-8, end_lr=1.0, num_steps=100, seed=seed)
    points = [Point(step, quick.lr(step), float(loss)) for step, loss in enumerate(losses)]

    for sweep in (quick, replace(quick, phase="test")):
        assert doubt_of([Sweep(sweep, points)]).why == "edge_not_reached"


@pytest.mark.parametrize("num_steps", range(2, 18))
@pytest.mark.parametrize("shape", ["linear", "exponential"])
def test_a_short_sweep_does_not_raise(num_steps: int, shape: str) -> None:
    short = measured(plan(num_steps=num_steps, shape=shape), loss_of(GOOD), held_out=False)

    assert isinstance(read_bounds([short]), Bounds if num_steps >= 12 else Inconclusive)


def test_a_constant_loss_is_read_as_constant() -> None:
    seen = Reading(measured(plan(), lambda lr: 1.0, held_out=False)).score

    assert seen is not None
    assert seen.smooth == pytest.approx(-1.0, rel=1e-12)


def test_eleven_points_are_too_few() -> None:
    short = plan(num_steps=11)

    assert doubt_of([measured(short, loss_of(GOOD), GOOD)]).why == "too_few_points"


def test_a_score_as_good_as_ever_at_the_highest_rate_is_inconclusive() -> None:
    still_good = accuracy_with_edges(rises_at=0.1, falls_at=100)

    doubt = doubt_of(seeds(loss_of(still_good), still_good))

    assert doubt.why == "edge_not_reached"
    assert doubt.next_experiment["request"]["end_lr"] > 1.0


def test_seeds_that_disagree_are_inconclusive() -> None:
    edges = [accuracy_with_edges(0.02, falls_at) for falls_at in (0.06, 0.5, 0.9)]
    sweeps = [measured(plan(seed=seed), loss_of(edge), edge) for seed, edge in enumerate(edges)]

    doubt = doubt_of(sweeps)

    assert doubt.why == "seeds_disagree"
    assert doubt.next_experiment["request"]["num_seeds"] > 3


def test_every_answer_is_plain_json() -> None:
    found = [read_bounds(seeds(loss_of(GOOD), GOOD)), read_bounds(seeds(lambda lr: 0.7))]

    for answer in found:
        json.dumps(answer.to_dict(), allow_nan=False)


def test_the_raw_curve_is_left_as_it_was() -> None:
    sweeps = seeds(loss_of(GOOD), GOOD, noise=0.1)
    before = np.array([point.loss for sweep in sweeps for point in sweep.points])

    read_bounds(sweeps)

    np.testing.assert_array_equal(before, [point.loss for sweep in sweeps for point in sweep.points])


def test_a_range_whose_lowest_rate_is_already_too_high_is_inconclusive() -> None:
    too_high = accuracy_with_edges(rises_at=1e-4, falls_at=0.004)
    sweeps = [
        measured(plan(seed=seed, start_lr=0.001, end_lr=0.1), loss_of(too_high), too_high)
        for seed in range(3)
    ]

    doubt = doubt_of(sweeps)

    assert doubt.why == "range_starts_too_high"
    assert doubt.next_experiment["request"] == {"start_lr": None, "end_lr": None}


def test_most_seeds_at_the_end_of_the_highest_range_are_inconclusive() -> None:
    still_good = accuracy_with_edges(rises_at=0.1, falls_at=100)
    sweeps = [measured(plan(seed=seed), loss_of(still_good), still_good) for seed in range(2)]

    assert doubt_of([*sweeps, measured(plan(seed=2), loss_of(GOOD), GOOD)]).why == "edge_not_reached"


def quick(loss: object, *, start_lr: float = 1e-6, end_lr: float = 10.0) -> Sweep:
    sweep = plan(sweep=0, phase="scout", shape="exponential", start_lr=start_lr, end_lr=end_lr, num_steps=200)
    return measured(sweep, loss)  # type: ignore[arg-type]


def test_a_quick_test_whose_loss_was_still_falling_at_its_end_is_inconclusive() -> None:
    doubt = doubt_of([quick(loss_of(GOOD), end_lr=0.1)])

    assert doubt.why == "edge_not_reached"
    assert doubt.next_experiment["request"] == {"end_lr": 1.0}


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


@pytest.mark.parametrize(
    ("loss", "start_lr", "end_lr"), [(lambda lr: 2.3, 1e-9, 1e-8), (lambda lr: 2.3 + lr, 5.0, 10.0)]
)
def test_no_learning_in_a_narrow_range_sends_to_the_scout(
    loss: object, start_lr: float, end_lr: float
) -> None:
    sweeps = [
        measured(plan(seed=seed, start_lr=start_lr, end_lr=end_lr), loss, lambda lr: 0.1, noise=0.01)  # type: ignore[arg-type]
        for seed in range(3)
    ]

    doubt = doubt_of(sweeps)

    assert doubt.why == "no_learning"
    assert doubt.next_experiment["request"] == {"start_lr": None, "end_lr": None}


def test_a_short_steep_rise_before_a_break_is_learning() -> None:
    seen = (
        0.05,
        0.52,
        0.65,
        0.57,
        0.61,
        0.74,
        0.71,
        0.71,
        0.81,
        0.83,
        0.52,
        0.44,
        0.43,
        0.45,
    )  # of digits-mlp
    points = [Point(step, 0.0075 * step, 2.3) for step in range(57)]
    looks = [HeldOut(4 * index + 3, 0.03 * index, 1.0, accuracy) for index, accuracy in enumerate(seen)]

    assert Reading(Sweep(plan(end_lr=3.0), points, looks)).learns


def test_one_range_alone_is_warned_of() -> None:
    found = bounds_of(seeds(loss_of(GOOD), GOOD))

    assert any("one range alone" in warning for warning in found.warnings)


def test_what_to_try_next_is_always_a_request_that_may_be_sent() -> None:
    many = [measured(plan(seed=seed), loss_of(GOOD), GOOD) for seed in range(19)]
    apart = accuracy_with_edges(0.01, 0.05)
    still_good = accuracy_with_edges(rises_at=1e5, falls_at=1e9)
    highest = [measured(plan(end_lr=1e6, start_lr=1.0), loss_of(still_good), still_good)]

    disagreeing = doubt_of([*many, measured(plan(seed=19), loss_of(apart), apart)])
    at_the_top = doubt_of(highest)
    broken = doubt_of([Sweep(plan(start_lr=1.0, end_lr=10.0), [Point(0, 1.0, 2.0), Point(1, 1.1, math.nan)])])

    assert disagreeing.next_experiment["request"]["num_seeds"] == 20
    assert at_the_top.next_experiment["request"]["end_lr"] == 1e6
    assert broken.next_experiment["request"] == {"start_lr": 0.01, "end_lr": 1.0, "num_steps": 400}


def test_a_loss_that_fell_by_half_before_it_diverged_is_not_said_to_only_rise() -> None:
    def loss(lr: float) -> float:
        return 0.64 - 0.36 / (1 + (1e-3 / lr) ** 2) + 3 * max(0.0, lr - 0.5)

    sweep = plan(sweep=0, phase="scout", shape="exponential", start_lr=1e-6, end_lr=10.0, num_steps=200)

    bounds_of([measured(sweep, loss, noise=0.05, held_out=False)])


@pytest.fixture
def bounds() -> Bounds:
    """With epochs of 50 steps."""
    return bounds_of(seeds(loss_of(GOOD), GOOD), steps_per_epoch=50)


def test_a_schedule_within_the_bounds_fits_its_budget(bounds: Bounds) -> None:
    by_epochs = bounds.schedule("triangular2", num_epochs=24)

    assert by_epochs == bounds.schedule("triangular2", num_steps=1200)
    assert (by_epochs(0), by_epochs(150)) == (bounds.base_lr, bounds.max_lr)
    assert by_epochs(1200) == bounds.base_lr
    assert bounds.schedule("one_cycle", num_steps=1200).model_dump()["num_steps"] == 1200


def test_a_schedule_without_a_budget_takes_the_recommended_step_size(bounds: Bounds) -> None:
    assert bounds.schedule("triangular")(bounds.step_size) == bounds.max_lr


def test_parameters_of_a_schedule_are_as_they_are_told(bounds: Bounds) -> None:
    assert bounds.schedule("triangular", num_steps=1200, step_size=7)(7) == bounds.max_lr


@pytest.mark.parametrize(
    ("policy", "budget", "said"),
    [
        ("one_cycel", {}, "did you mean one_cycle"),
        ("one_cycle", {"num_steps": 10, "num_epochs": 1}, "not both"),
        ("one_cycle", {"num_steps": 0}, "whole number >= 1"),
        ("one_cycle", {"step_size_up": 3}, "step_size_up"),
    ],
)
def test_an_impossible_schedule_is_told(
    bounds: Bounds, policy: str, budget: dict[str, int], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        bounds.schedule(policy, **budget)


def test_epochs_need_a_known_length() -> None:
    with pytest.raises(ValueError, match="give num_steps"):
        bounds_of(seeds(loss_of(GOOD), GOOD)).schedule("one_cycle", num_epochs=3)


def test_bounds_say_their_rates_reasons_and_warnings(bounds: Bounds) -> None:
    base_lr, max_lr, *warnings = str(bounds).splitlines()

    assert base_lr.startswith("base_lr ")
    assert bounds.reason_base in base_lr
    assert bounds.reason_max in max_lr
    assert warnings == [f"warning: {warning}" for warning in bounds.warnings]


def test_what_was_found_can_be_drawn(bounds: Bounds, tmp_path: Path) -> None:
    nothing = read_bounds(seeds(lambda lr: 1.0))
    bounds.plot(tmp_path / "found.svg")
    nothing.plot(str(tmp_path / "nothing.PNG"))

    assert "<svg" in (tmp_path / "found.svg").read_text()
    assert (tmp_path / "nothing.PNG").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="must end in"):
        bounds.plot(tmp_path / "found.jpg")


def test_no_bounds_say_why_and_make_no_schedule() -> None:
    nothing = read_bounds(seeds(lambda lr: 1.0))

    assert isinstance(nothing, Inconclusive)
    assert str(nothing).startswith(f"inconclusive ({nothing.why}): ")
    with pytest.raises(ValueError, match="no bounds to make a schedule of"):
        nothing.schedule("one_cycle", num_steps=100)


def test_a_search_space_holds_the_interval_of_max_lr(bounds: Bounds) -> None:
    low, high = bounds.search_space()

    assert 0 < low < bounds.max_lr_interval[0] <= bounds.max_lr_interval[1] < high


def stored() -> dict[str, Any]:
    """A result as a service keeps it."""
    bounds = read_bounds([measured(plan(seed=seed), loss_of(GOOD), GOOD) for seed in range(3)])
    return json.loads(json.dumps(bounds.to_dict()))  # type: ignore[no-any-return]


def test_what_is_read_back_is_what_was_found() -> None:
    assert json.loads(json.dumps(Bounds.from_dict(stored()).to_dict())) == stored()


def test_fields_of_a_newer_service_are_left_out() -> None:
    newer = stored() | {"colour": "red"}
    newer["candidates"] = [*newer["candidates"], {"name": "valley", "lr": 0.1, "note": "", "colour": "red"}]
    newer["sensitivity"]["colour"] = "red"

    assert Bounds.from_dict(newer).max_lr == stored()["max_lr"]


def test_an_old_result_without_evidence_or_constant_lr_can_be_read() -> None:
    old = stored() | {"evidence": {}, "constant_lr": None}
    del old["sensitivity"], old["candidates"]

    bounds = Bounds.from_dict(old | {"candidates": []})

    assert bounds.constant_lr == pytest.approx(math.sqrt(bounds.base_lr * bounds.max_lr))
    assert bounds.sensitivity is None


def test_a_picture_that_cannot_be_drawn_hides_no_answer() -> None:
    def draw(_: str) -> bytes:
        raise OSError("nobody is there")

    shown = Bounds.from_dict(stored(), draw=draw)._repr_html_()

    assert "max_lr" in shown
    assert "there is no picture: nobody is there" in shown


def test_a_budget_of_less_than_a_step_is_one_step() -> None:
    assert Bounds.from_dict(stored() | {"steps_per_epoch": 45.0}).schedule("fixed", num_epochs=0.001)(0) > 0


@pytest.mark.parametrize(
    "budget",
    [
        {"num_steps": 500.5},
        {"num_steps": "7"},
        {"num_steps": 0},
        {"num_epochs": math.inf},
        {"num_epochs": "3"},
    ],
)
def test_a_budget_that_is_none_is_told(budget: dict[str, Any]) -> None:
    [name] = budget

    with pytest.raises(ValueError, match=f"{name} must be"):
        Bounds.from_dict(stored() | {"steps_per_epoch": 45.0}).schedule("triangular", **budget)


def test_the_code_to_paste_stops_where_the_last_whole_cycle_ends() -> None:
    bounds = Bounds.from_dict(stored())
    step_size = bounds.schedule("triangular", num_steps=2063).step_size

    assert f"zip(range({2063 // (2 * step_size) * 2 * step_size})" in bounds.snippet(num_steps=2063)


def test_the_preset_torch_cycles_momentum_in_the_code_to_paste_as_torch_does() -> None:
    bounds = Bounds.from_dict(stored())

    assert "cycle_momentum" not in bounds.snippet("one_cycle", num_steps=100, preset="torch")
