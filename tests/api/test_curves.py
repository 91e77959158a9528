"""Curves as columns: what thinning keeps."""

import math
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

from api.curves import downsample
from store.runs import Floats


def thin(losses: list[float], max_points: int, *, pieces: int = 3) -> Floats:
    """(step, lr, loss), (3, rows kept)"""
    steps = np.arange(len(losses), dtype=float)
    rows = np.array([steps, (steps + 1) / 1000, losses])
    stored = np.array_split(rows, pieces, axis=1)
    return np.concatenate(downsample(iter(stored), len(losses), max_points), axis=1)


def wave(num_points: int) -> list[float]:
    return [math.sin(step / 9) for step in range(num_points)]


@pytest.mark.parametrize("max_points", [4, 5, 40, 999])
def test_a_thinned_curve_keeps_its_ends_and_extremes(max_points: int) -> None:
    losses = wave(1000)
    losses[123], losses[777] = 9.0, -9.0

    steps, *_ = thin(losses, max_points)

    assert len(steps) <= max_points
    assert {0, 123, 777, 999} <= set(steps)
    assert list(steps) == sorted(set(steps))


def test_a_finite_extreme_is_kept_beside_values_that_are_not() -> None:
    losses = wave(1000)
    losses[500], losses[501], losses[502] = 9.0, math.nan, math.inf

    assert 500 in thin(losses, 20)[0]


def test_a_curve_without_a_finite_value_can_be_thinned() -> None:
    assert thin([math.nan] * 100, 10).shape[1] <= 10


def test_a_short_curve_is_not_thinned() -> None:
    assert list(thin(wave(10), 10)[2]) == wave(10)


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_what_is_told_does_not_depend_on_the_pieces_that_are_stored(pieces: int) -> None:
    np.testing.assert_array_equal(thin(wave(1000), 50, pieces=1), thin(wave(1000), 50, pieces=pieces))


def test_few_rows_of_a_long_curve_are_held_while_it_is_thinned() -> None:
    held: list[weakref.ref[Floats]] = []

    def read() -> Iterator[Floats]:
        for first in range(0, 1_000_000, 1000):
            assert sum(ref() is not None for ref in held[:-20]) == 0
            rows = np.ones((3, 1000)) * np.arange(first, first + 1000)
            held.append(weakref.ref(rows))
            yield rows

    assert len(np.concatenate(downsample(read(), 1_000_000, 100), axis=1)[0]) <= 100


def test_a_curve_that_has_become_shorter_is_thinned_as_far_as_it_goes() -> None:
    rows = np.ones((3, 500)) * np.arange(500)

    kept = np.concatenate(downsample(iter([rows]), 30_000, 20), axis=1)

    assert (kept[0, 0], kept[0, -1]) == (0, 499)
