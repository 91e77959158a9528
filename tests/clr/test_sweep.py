"""The sweep itself: the engine driven by plain functions."""

import math
from collections.abc import Callable
from dataclasses import asdict
from types import SimpleNamespace

import pytest

from clr.sweep import HeldOut, Point, Sweep, read_sweeps, run_sweep
from tests.clr.curves import plan


def points(loss: Callable[[float], float], **options: int) -> list[Point]:
    return [row for row in run_sweep(plan(num_steps=100), loss, **options) if isinstance(row, Point)]


def test_a_sweep_needs_no_more_than_a_function() -> None:
    measured = points(lambda lr: 1 / lr)

    assert [point.step for point in measured] == list(range(100))
    assert [point.lr for point in measured] == [plan(num_steps=100).lr(step) for step in range(100)]
    assert measured[0].loss == 1 / measured[0].lr


def test_the_held_out_set_is_looked_at_at_the_start_on_time_and_at_the_end() -> None:
    looks = [
        row
        for row in run_sweep(plan(num_steps=10, eval_every=4), lambda lr: 1.0, lambda: (2.0, 0.5))
        if isinstance(row, HeldOut)
    ]

    assert [look.step for look in looks] == [0, 3, 7, 9]
    assert (looks[0].loss, looks[0].accuracy) == (2.0, 0.5)


@pytest.mark.parametrize("start_lr", [0.0, 1e-12])
def test_a_linear_sweep_starts_at_the_rate_asked_for(start_lr: float) -> None:
    used: list[float] = []

    list(run_sweep(plan(start_lr=start_lr, num_steps=50), lambda lr: used.append(lr) or 1.0))

    assert used[0] == start_lr


def test_nothing_is_trained_before_it_is_asked_for() -> None:
    trained = []
    rows = run_sweep(plan(), lambda lr: trained.append(lr) or 1.0)

    next(rows)

    assert len(trained) == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_first_loss_that_is_not_finite_is_kept_and_ends_the_sweep(bad: float) -> None:
    measured = points(lambda lr: bad if lr > 0.5 else 1.0)

    assert not math.isfinite(measured[-1].loss)
    assert all(math.isfinite(point.loss) for point in measured[:-1])
    assert len(measured) < 100


def test_a_loss_that_is_nan_from_the_start_ends_at_once() -> None:
    assert len(points(lambda lr: math.nan)) == 1


@pytest.mark.parametrize("offset", [0.0, -1000.0, 1000.0])
@pytest.mark.parametrize("scale", [1.0, 1e-9])
def test_a_clear_rise_ends_the_sweep_whatever_the_losss_sign_and_scale(offset: float, scale: float) -> None:
    measured = points(lambda lr: offset + scale * (2.0 - lr if lr < 0.5 else 100 * lr))

    assert 50 <= len(measured) < 70


@pytest.mark.parametrize(
    "loss",
    [lambda lr: -5.0, lambda lr: -lr, lambda lr: 0.0, lambda lr: 1e-30 * math.sin(99 * lr)],
    ids=["negative", "ever more negative", "zero", "tiny noise"],
)
def test_a_loss_that_does_not_rise_is_swept_to_the_end(loss: Callable[[float], float]) -> None:
    assert len(points(loss)) == 100


def test_losses_read_in_groups_are_the_same_points() -> None:
    def loss(lr: float) -> float:
        return 2.0 - lr if lr < 0.5 else 100 * lr

    assert points(loss, read_every=7) == points(loss)


def test_a_sweep_comes_back_from_its_stored_columns() -> None:
    sweep = Sweep(plan(), [Point(0, 0.1, 2.0)], [HeldOut(0, 0.1, 2.1, None)])
    columns = {
        "train": {"step": [0.0], "lr": [0.1], "loss": [2.0]},
        "held_out": {"step": [0.0], "lr": [0.1], "loss": [2.1], "accuracy": [math.nan]},
    }
    fields = {name: getattr(sweep.plan, name) for name in sweep.plan.__slots__}

    assert Sweep.from_columns(fields, columns) == sweep


def test_of_stored_runs_the_sweeps_alone_are_read_as_sweeps() -> None:
    columns = {"train": {"step": [0], "lr": [0.1], "loss": [1.0]}, "held_out": {"accuracy": []}}
    sweep = SimpleNamespace(plan=asdict(plan()), series=columns)
    confirming = SimpleNamespace(plan={"phase": "confirm"}, series=columns)

    assert read_sweeps([sweep, confirming]) == [Sweep(plan(), [Point(0, 0.1, 1.0)])]


@pytest.mark.parametrize("accuracy", [12.5, -0.01, math.nan])
def test_an_accuracy_that_is_no_share_is_refused_at_the_first_look(accuracy: float) -> None:
    looks: list[float] = []

    with pytest.raises(ValueError, match=r"accuracy must lie in \[0, 1\]"):
        list(run_sweep(plan(), lambda lr: 1.0, lambda: (looks.append(1.0) or 1.0, accuracy)))

    assert len(looks) == 1


def test_a_model_that_has_gone_may_have_no_accuracy() -> None:
    assert math.isnan(HeldOut.from_answer(3, 0.1, (math.nan, math.nan)).accuracy or 0)


def test_what_rounding_makes_of_one_is_taken() -> None:
    assert HeldOut.from_answer(3, 0.1, (1.0, 1 + 1e-7)).step == 3
