"""Curves as columns: what thinning keeps."""

import math

import numpy as np
import pytest

from api.curves import downsample
from store.runs import COLUMNS, Columns


def columns(losses: list[float], *, pieces: int = 3) -> Columns:
    steps = np.arange(len(losses), dtype=float)
    rows = np.array([steps, (steps + 1) / 1000, losses])
    return Columns(COLUMNS["train"], np.array_split(rows, pieces, axis=1))


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


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_what_is_told_does_not_depend_on_the_pieces_that_are_stored(pieces: int) -> None:
    whole, parts = columns(wave(1000), pieces=1), columns(wave(1000), pieces=pieces)

    for name in whole:
        np.testing.assert_array_equal(downsample(whole, 50)[name], downsample(parts, 50)[name])
        np.testing.assert_array_equal(whole[name], parts[name])
