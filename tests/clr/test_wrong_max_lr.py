"""What a wrong max_lr costs, on sweeps whose answer is known."""

import pytest

from clr.ranges import Range
from clr.reading import Reading
from clr.wrong_max_lr import measure_sensitivity
from tests.clr.curves import loss_of, measured, plan

RANGES = [Range(0.1, (0.05,), 0.01), Range(1.0, (0.5,), 1.0), Range(10.0, (0.5,), 0.01)]


def reaches(peak: float, *, end_lr: float, falls_to: float | None = None) -> Reading:
    """A sweep whose accuracy rises to its peak in the first half, and falls at 0.9 of its range."""

    def accuracy(lr: float) -> float:
        if falls_to is not None and lr > 0.9 * end_lr:
            return falls_to
        return 0.1 + (peak - 0.1) * min(1.0, 2 * lr / end_lr)

    return Reading(measured(plan(start_lr=end_lr / 400, end_lr=end_lr), loss_of(accuracy), accuracy))


def test_a_lower_range_that_reaches_less_tells_what_too_low_a_rate_loses() -> None:
    tests = [reaches(0.9, end_lr=1.0), reaches(0.7, end_lr=0.1)]

    lost = {
        one.factor: one.lost
        for one in measure_sensitivity(tests, RANGES[1:2], max_lr=0.2, metric="accuracy").by_factor
    }

    assert lost[0.5] == pytest.approx(0.2 * 0.301, rel=0.05)
    assert lost[0.25] == pytest.approx(0.2 * 0.602, rel=0.05)


def test_the_fall_at_a_higher_rate_tells_what_too_high_a_rate_loses() -> None:
    tests = [reaches(0.9, end_lr=1.0, falls_to=0.3)]

    found = measure_sensitivity(tests, RANGES[1:2], max_lr=0.24, metric="accuracy")

    assert {one.factor: one.lost for one in found.by_factor}[4.0] == pytest.approx(0.6, abs=0.02)
    assert found.off_by_4 == pytest.approx(0.6, abs=0.02)


def test_a_sweep_that_still_rises_at_a_rate_has_lost_nothing_there() -> None:
    found = measure_sensitivity([reaches(0.9, end_lr=1.0)], RANGES[1:2], max_lr=0.1, metric="accuracy")

    assert {one.factor: one.lost for one in found.by_factor}[2.0] == 0.0


def test_what_was_measured_in_another_metric_is_left_out() -> None:
    found = measure_sensitivity(
        [reaches(0.9, end_lr=1.0, falls_to=0.3)], RANGES[1:2], max_lr=0.24, metric="loss"
    )

    assert (found.off_by_2, found.off_by_4) == (None, None)


def test_what_no_range_reached_is_not_known() -> None:
    found = measure_sensitivity([reaches(0.9, end_lr=1.0)], RANGES[1:2], max_lr=0.8, metric="accuracy")

    assert found.metric == "accuracy"
    assert [one.lost for one in found.by_factor] == [None, None, None, None]
    assert (found.off_by_2, found.off_by_4) == (None, None)
