"""Ranges of one test that train about as well, each with its say in max_lr."""

import math

import pytest

from clr.analysis import read_bounds
from clr.bounds import Bounds
from clr.ranges import Range, pool_edges, weigh_ranges
from clr.reading import TOLERANCE, Reading
from clr.sweep import Sweep
from tests.clr.curves import measured, plan


def sweep(end_lr: float, *, worse_by: float = 0.0) -> Sweep:
    """One that learns over its first third and stays as good; it falls less deep than 2.0 by this share."""
    planned = plan(start_lr=end_lr / 400, end_lr=end_lr)

    def learned(lr: float) -> float:
        return (1 - worse_by) * min(1.0, 3 * (lr - planned.start_lr) / end_lr)

    return measured(planned, lambda lr: 2.3 - 2.0 * learned(lr), lambda lr: 0.1 + 0.8 * learned(lr))


def test_the_deepest_range_has_weight_one_and_another_an_eth_for_each_tolerance() -> None:
    lower, higher = weigh_ranges([Reading(sweep(0.316)), Reading(sweep(0.1, worse_by=TOLERANCE))])

    assert (lower.end_lr, higher.end_lr) == (0.1, 0.316)
    assert higher.weight == 1.0
    assert lower.weight == pytest.approx(math.exp(-1), rel=0.05)


def test_equal_ranges_meet_in_their_geometric_middle() -> None:
    assert pool_edges([Range(0.1, (0.1,), 1.0), Range(1.0, (0.8, 1.0, 1.2), 1.0)]) == pytest.approx(
        math.sqrt(0.1)
    )


def test_a_range_that_trains_worse_says_next_to_nothing() -> None:
    assert pool_edges([Range(0.1, (0.1,), 1.0), Range(1.0, (1.0,), 1e-6)]) == pytest.approx(0.1, rel=1e-4)


def test_the_answer_names_the_ranges_that_it_pooled_and_spans_them() -> None:
    found = read_bounds([sweep(3.16, worse_by=0.5), sweep(1.0), sweep(0.316)])

    assert isinstance(found, Bounds)
    assert found.rule_max == "ranges_pooled"
    assert "0.316, 1" in found.reason_max
    low, high = found.max_lr_interval
    assert low < found.max_lr < high
    assert [one["end_lr"] for one in found.evidence["ranges"]] == [0.316, 1.0, 3.16]
