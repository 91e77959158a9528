"""The main job, end to end, through every real process, on SQLite and on Postgres."""

import csv
import io
from collections.abc import Iterator

import httpx2
import pytest

from clr_tuner.client import Client
from tests.conftest import fresh_database
from tests.e2e.service import Service, running_service
from tests.machine import patience


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def service(
    request: pytest.FixtureRequest, broker_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, Client]]:
    """One service per backend for this module."""
    folder = tmp_path_factory.mktemp("service")
    with (
        fresh_database(request.param, folder, request) as url,
        running_service(url, broker_url, folder) as running,
    ):
        yield running


def test_the_smallest_request_ends_with_bounds_and_their_reasons(service: tuple[Service, Client]) -> None:
    _, client = service

    bounds = client.range_test("digits-mlp").wait(timeout_s=patience(90)).bounds()

    assert 0 < bounds.base_lr < bounds.max_lr
    low, high = bounds.max_lr_interval
    assert low <= bounds.max_lr <= high
    assert bounds.reason_base
    assert bounds.reason_max
    assert {candidate.name for candidate in bounds.candidates} >= {"valley", "steep"}
    assert "CyclicLR" in bounds.snippet()


def test_a_job_can_be_followed_with_plain_http(service: tuple[Service, Client]) -> None:
    base, _ = service

    with httpx2.Client(base_url=base.url, timeout=patience(70)) as http:
        made = http.post("/range-tests", json={"workload": "digits-mlp", "num_seeds": 1})
        assert made.status_code == 202
        address = made.headers["Location"]
        job = http.get(address, params={"wait_s": 60}).json()
        assert job["status"] == "succeeded"
        assert job["progress"]["completed"] <= job["progress"]["total"]
        curve = http.get(f"{address}/curve").json()
        rows = list(csv.DictReader(io.StringIO(http.get(f"{address}/curve?format=csv").text)))
        svg = http.get(f"{address}/plot.svg")
        png = http.get(f"{address}/plot.png")

    assert curve["complete"]
    points = [(run["seed"], step) for run in curve["runs"] for step in run["step"]]
    assert len(points) == job["progress"]["completed"]
    assert len(rows) >= len(points)
    assert svg.headers["content-type"].startswith("image/svg+xml")
    assert png.content.startswith(b"\x89PNG")


def test_the_same_request_gives_the_same_bounds_and_curve(service: tuple[Service, Client]) -> None:
    _, client = service

    first, again = [
        client.range_test("digits-mlp", num_seeds=1, seed=5).wait(timeout_s=patience(90)) for _ in range(2)
    ]

    assert first.bounds().max_lr == again.bounds().max_lr
    assert first.curve()["runs"] == again.curve()["runs"]


def test_the_catalogue_tells_what_can_be_run(service: tuple[Service, Client]) -> None:
    _, client = service

    names = {workload["name"] for workload in client.workloads()}

    assert names >= {"digits-mlp", "digits-cnn", "mnist5k-cnn"}
    assert len(client.workers()) == 1
