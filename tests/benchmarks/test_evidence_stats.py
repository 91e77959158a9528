"""Paired differences and the test of equivalence, against scipy and against simulation."""

import math
import random

import numpy as np
import pytest
import scipy.stats

from benchmarks.evidence_stats import MARGIN, Contrast, paired


def test_one_task_is_scipys_paired_test() -> None:
    random.seed(0)
    first, second = ([random.gauss(mean, 1) for _ in range(5)] for mean in (0, 1))
    found = scipy.stats.ttest_rel(first, second).confidence_interval(0.95)

    ours = Contrast.of({"one": paired(first, second)})

    assert (ours.difference - ours.half_width, ours.difference + ours.half_width) == pytest.approx(
        (found.low, found.high)
    )


def test_two_tasks_are_scipys_welch_test_with_half_the_sum_for_the_difference() -> None:
    first, second = [0.1, 0.4, 0.2, 0.9], [0.3, 1.4, 2.0]
    found = scipy.stats.ttest_ind(first, [-value for value in second], equal_var=False)
    interval = found.confidence_interval(0.95)

    ours = Contrast.of({"one": first, "two": second})

    assert ours.freedom == pytest.approx(found.df)
    assert ours.half_width == pytest.approx((interval.high - interval.low) / 4)


@pytest.mark.parametrize(
    ("sample", "verdict", "not_inferior"),
    [
        ([0.1, 0.12, 0.08], "equivalent", True),  # not 0, but within the margin
        ([0.9, 1.0, 1.1], "different", True),
        ([-0.9, -1.0, -1.1], "different", False),
        ([-1.0, 1.0, 0.3], "undecided", False),
        ([0.2, 0.2, 0.2], "equivalent", True),
        ([0.7, 0.7, 0.7], "different", True),
    ],
)
def test_a_verdict_is_one_of_three(sample: list[float], verdict: str, not_inferior: bool) -> None:
    found = Contrast.of({"one": sample, "two": sample})

    assert (found.verdict, found.not_inferior) == (verdict, not_inferior)


def test_power_is_how_often_equal_schedules_are_found_equivalent() -> None:
    generator = np.random.default_rng(0)
    planned = Contrast({"one": 0.0}, error=MARGIN / 4, freedom=4)
    samples = generator.normal(0, planned.error * math.sqrt(5), (4000, 5))
    found = [Contrast.of({"one": list(sample)}).verdict == "equivalent" for sample in samples]

    assert planned.power == pytest.approx(np.mean(found), abs=0.03)
    assert Contrast.of({"one": [0.2, 0.2]}).power == 1.0
    assert Contrast({"one": 0.0}, error=10 * MARGIN, freedom=4).power == pytest.approx(0, abs=0.01)


def test_tasks_that_might_have_been_others_widen_the_interval() -> None:
    found = Contrast.of({"one": [0.9, 1.1], "two": [-0.1, 0.1], "three": [1.9, 2.1]})

    assert found.over_tasks == pytest.approx(scipy.stats.t.ppf(0.975, 2) / math.sqrt(3))
    assert Contrast.of({"one": [0.9, 1.1]}).over_tasks == math.inf
