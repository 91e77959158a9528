"""What a single sweep says."""

import pytest

from clr.reading import Reading
from clr.sweep import HeldOut, Point, Sweep
from tests.clr.curves import measured, plan


def test_a_constant_loss_is_read_as_constant() -> None:
    seen = Reading(measured(plan(), lambda lr: 1.0, held_out=False)).score

    assert seen is not None
    assert seen.smooth == pytest.approx(-1.0, rel=1e-12)


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
