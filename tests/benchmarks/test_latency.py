"""What `python -m benchmarks.latency` times is the same work in the service and by hand."""

from pathlib import Path

from benchmarks.latency import QUICK, bounds_by_hand, job_to_job, row, serving
from clr_tuner.client import Client


def test_the_service_answers_the_bounds_by_hand_and_every_first_step_is_stamped(tmp_path: Path) -> None:
    by_hand = bounds_by_hand()
    with serving(tmp_path) as url, Client(url) as client:
        bounds = client.range_test("digits-mlp", **QUICK).wait().bounds()
        between = job_to_job(url, tmp_path / "stamps", 2)

    assert by_hand is not None
    assert (bounds.base_lr, bounds.max_lr) == (by_hand.base_lr, by_hand.max_lr)
    assert len(between) == 2
    assert all(0 < seconds < 60 for seconds in between)


def test_a_row_has_median_and_extremes_of_both() -> None:
    line = row("job to job", [0.3, 0.1, 0.2], [0.02, 0.01, 0.09])

    assert line.split() == [
        "job",
        "to",
        "job",
        "0.200",
        "(0.100",
        "..",
        "0.300)",
        "0.020",
        "(0.010",
        "..",
        "0.090)",
    ]
