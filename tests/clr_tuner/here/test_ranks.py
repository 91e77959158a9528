"""Two processes that train together and report: one job, by the first of them."""

from functools import partial
from pathlib import Path

import clr_tuner as ct
from tests.clr.training.ranks_kit import run_ranks, train_and_report


def test_the_first_rank_reports_what_all_of_them_measure(client: ct.Client, tmp_path: Path) -> None:
    first, second = run_ranks(tmp_path, partial(train_and_report, url=client.connection.shown))

    [job] = [test for test in client.range_tests() if test.data["name"] == "two ranks"]
    curve = job.curve()["runs"]
    assert first == second
    assert (job.status, job.data["tags"]) == ("succeeded", [])
    assert sum(len(run["step"]) for run in curve) == sum(len(points) for _, points, _ in first["sweeps"])
