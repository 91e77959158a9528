"""Curves as columns: what thinning keeps, and how values that are not finite are told."""

import math

import numpy as np
import pytest

from api.curves import Columns, downsample, view_curve
from store.runs import StoredRun

PLAN = {"phase": "test", "shape": "linear"}


def columns(losses: list[float]) -> Columns:
    steps = np.arange(len(losses), dtype=float)
    return {"step": steps, "lr": (steps + 1) / 1000, "loss": np.array(losses)}


def wave(num_points: int) -> list[float]:
    return [math.sin(step / 9) for step in range(num_points)]


@pytest.mark.parametrize("max_points", [4, 5, 40, 999])
def test_a_thinned_curve_keeps_its_ends_and_extremes(max_points: int) -> None:
    losses = wave(1000)
    losses[123], losses[777] = 9.0, -9.0

    kept = downsample(columns(losses), max_points)

    assert len(kept["step"]) <= max_points
    assert {0, 123, 777, 999} <= set(kept["step"])
    assert list(kept["step"]) == sorted(set(kept["step"]))


def test_a_finite_extreme_is_kept_beside_values_that_are_not() -> None:
    losses = wave(1000)
    losses[500], losses[501], losses[502] = 9.0, math.nan, math.inf

    assert 500 in downsample(columns(losses), 20)["step"]


def test_a_curve_without_a_finite_value_can_be_thinned() -> None:
    assert len(downsample(columns([math.nan] * 100), 10)["step"]) <= 10


def test_a_short_curve_is_not_thinned() -> None:
    assert list(downsample(columns(wave(10)), 10)["loss"]) == wave(10)


def test_thinning_does_not_move_the_step_where_the_loss_stopped_being_finite() -> None:
    losses = wave(1000)
    losses[637] = math.nan
    held_out = columns([1.0]) | {"accuracy": np.array([math.nan])}
    sweep = StoredRun(
        sweep=1, seed=0, plan=PLAN, finished=True, series={"train": columns(losses), "held_out": held_out}
    )

    (run,) = view_curve([sweep], complete=True, max_points=10).runs

    assert run.non_finite_from == 637
    assert run.held_out.non_finite_from is None
    assert run.held_out.accuracy == [None]
