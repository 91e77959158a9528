"""Where a sweep's held-out loss turns while its training loss falls on, as a sum of rates."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from clr.overfitting import find_turn
from clr.reading import Reading
from clr.sweep import HeldOut, Point, Sweep
from clr.turn import Turn
from tests.clr.curves import plan

TURN = 20.0  # the sum of rates at which the model below generalises best


def swept(
    end_lr: float,
    *,
    turn: float = TURN,
    accuracy: Callable[[float], float | None] = lambda rate_sum: None,
    breaks: bool = False,
    by_heart: float = 0.0,
    **planned_as: Any,
) -> Sweep:
    """A model whose losses follow from the sum of the rates so far alone.

    turn: inf, if it never overfits. accuracy: of the sum. breaks: the training loss rises with the held-out loss.
    by_heart: how much of the training loss is there to be learned after the turn.
    """
    planned = plan(end_lr=end_lr, **{"start_lr": end_lr / 400} | planned_as)
    sweep, rate_sum = Sweep(planned), 0.0
    for step in range(planned.num_steps):
        lr = planned.lr(step)
        rate_sum += lr
        too_far = 0.3 * max(0.0, math.log(rate_sum / turn)) if math.isfinite(turn) else 0.0
        trained = 2 * math.exp(-rate_sum / 10) / (1 + rate_sum / 10)
        trained += by_heart / (1 + (rate_sum / turn) ** 4)
        sweep.add(Point(step, lr, 0.1 + trained + (too_far if breaks else 0.0)))
        if (step + 1) % planned.eval_every == 0:
            held_out = 0.5 + 2 * math.exp(-rate_sum / 5) + too_far
            sweep.add(HeldOut(step, lr, held_out, accuracy(rate_sum)))
    return sweep


def turn_of(*sweeps: Sweep, steps_per_epoch: float | None = 10) -> Turn | None:
    return find_turn([Reading(sweep) for sweep in sweeps], steps_per_epoch=steps_per_epoch)


@pytest.mark.parametrize("end_lr", [0.3, 1.0, 3.0])
def test_the_turn_is_a_sum_of_rates_whatever_the_range(end_lr: float) -> None:
    turn = turn_of(swept(end_lr))

    assert turn is not None
    assert turn.rate_sum == pytest.approx(TURN, rel=0.25)


def test_the_seeds_are_pooled_by_their_median() -> None:
    turn = turn_of(*(swept(1.0, turn=turn, seed=seed) for seed, turn in enumerate([10.0, 20.0, 40.0])))

    assert turn is not None
    assert turn.rate_sum == pytest.approx(20.0, rel=0.25)


def test_what_did_not_turn_tells_how_far_it_went() -> None:
    turn = turn_of(swept(0.03), swept(0.1, turn=math.inf))

    assert turn == Turn(None, pytest.approx(0.1 * 400 / 2, rel=0.02))


def test_a_turn_that_most_seeds_do_not_show_is_none() -> None:
    turn = turn_of(swept(1.0), swept(1.0, turn=math.inf, seed=1), swept(1.0, turn=math.inf, seed=2))

    assert turn is not None
    assert turn.rate_sum is None


def test_a_range_that_went_much_further_refutes_a_turn() -> None:
    turn = turn_of(swept(3.0), swept(1.0, turn=math.inf))

    assert turn is not None
    assert turn.rate_sum is None
    assert turn.seen > 2 * TURN


def test_a_loss_that_rises_with_the_training_loss_is_no_overfitting() -> None:
    turn = turn_of(swept(1.0, breaks=True, turn=100.0))

    assert turn is not None
    assert turn.rate_sum is None


def test_a_quick_test_sees_a_turn_but_not_how_far_a_training_may_go() -> None:
    overfits, does_not = (
        turn_of(swept(10.0, turn=turn, shape="exponential", start_lr=1e-4)) for turn in (TURN, math.inf)
    )

    assert overfits is not None
    assert overfits.rate_sum == pytest.approx(TURN, rel=0.5)
    assert does_not == Turn(None, 0.0)


@pytest.mark.parametrize("steps_per_epoch", [None, 200.0])
def test_what_is_not_seen_again_cannot_be_overfitted(steps_per_epoch: float | None) -> None:
    turn = turn_of(swept(1.0), steps_per_epoch=steps_per_epoch)

    assert turn is not None
    assert turn.rate_sum is None


@pytest.mark.parametrize("seed", range(5))
def test_noise_of_the_batches_is_no_training_on(seed: int) -> None:
    steady, random = swept(1.0, turn=60.0, breaks=True, seed=seed), np.random.default_rng(seed)
    noisy = Sweep(steady.plan)
    for point in steady.points:
        noisy.add(replace(point, loss=point.loss * (1 + 0.35 * random.standard_normal())))
    for look in steady.held_out:
        noisy.add(look)

    turn = turn_of(noisy, steps_per_epoch=80)

    assert turn is not None
    assert turn.rate_sum is None


def rising_to(turn: float, *, then_falls: float = 0.3) -> Callable[[float], float]:
    """Accuracy that rises to 0.8 where the rates have summed to `turn`, and then falls by so much a factor of e."""
    return lambda rate_sum: (
        0.8 * min(1.0, rate_sum / turn) - then_falls * max(0.0, math.log(max(rate_sum, turn) / turn))
    )


def test_accuracy_that_falls_while_much_is_learned_by_heart_tells_the_turn() -> None:
    turn = turn_of(*(swept(1.0, accuracy=rising_to(TURN), by_heart=3.0, seed=seed) for seed in range(3)))

    assert turn is not None
    assert turn.rate_sum == pytest.approx(TURN, rel=0.25)


@pytest.mark.parametrize(
    ("by_heart", "then_falls", "planned_as"),
    [
        pytest.param(3.0, 0.0, {}, id="accuracy stays, though the held-out loss rises"),
        pytest.param(0.0, 0.3, {}, id="the training loss had fallen before"),
        pytest.param(3.0, 0.3, {"shape": "exponential", "start_lr": 1e-4}, id="the sweep is exponential"),
    ],
)
def test_where_accuracy_decides_little_is_a_turn(
    by_heart: float, then_falls: float, planned_as: dict[str, Any]
) -> None:
    accuracy = rising_to(TURN, then_falls=then_falls)

    assert turn_of(swept(1.0, accuracy=accuracy, by_heart=by_heart, **planned_as)) is None


def test_accuracy_that_falls_with_rates_too_high_is_no_turn() -> None:
    spiked, broken = swept(1.0, accuracy=rising_to(TURN), by_heart=3.0), Sweep(plan(end_lr=1.0))
    for point in spiked.points:
        broken.add(replace(point, loss=point.loss + 6 * (point.step > 60)))
    for look in spiked.held_out:
        broken.add(look)

    assert turn_of(broken) is None


def test_a_probe_has_its_say_though_it_ends_where_a_range_does() -> None:
    ranges = [swept(0.05, seed=seed) for seed in range(3)]
    probe = swept(0.05, start_lr=0.0125, num_steps=2000, eval_every=61, phase="probe")

    turn = turn_of(*ranges, probe)

    assert turn is not None
    assert turn.rate_sum == pytest.approx(TURN, rel=0.25)
