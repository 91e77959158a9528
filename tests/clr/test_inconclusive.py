"""Doubt on curves that have no answer, and what to try next."""

import math
from dataclasses import replace

import numpy as np
import pytest

from clr.analysis import read_bounds
from clr.sweep import Point, Sweep
from tests.clr.curves import GOOD, accuracy_with_edges, doubt_of, loss_of, measured, plan, quick, seeds


def test_a_quick_test_that_saw_nothing_proposes_the_standard_one() -> None:
    quick = plan(sweep=0, phase="scout", shape="exponential", start_lr=1e-6, end_lr=10.0, num_steps=200)

    found = doubt_of([measured(quick, lambda lr: 2.3, lambda lr: 0.1, noise=0.05)])

    assert found.why == "no_learning"
    assert found.next_experiment["request"] == {"effort": "standard"}


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


def test_a_quick_test_whose_loss_was_still_falling_at_its_end_is_inconclusive() -> None:
    doubt = doubt_of([quick(loss_of(GOOD), end_lr=0.1)])

    assert doubt.why == "edge_not_reached"
    assert doubt.next_experiment["request"] == {"end_lr": 1.0}


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
