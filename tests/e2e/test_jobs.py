"""Range tests and trainings through every real process, on SQLite and on Postgres, and through a killed worker."""

import csv
import io
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import torch
from sqlalchemy import select

from clr_tuner.client import Client
from clr_tuner.training_job import TrainingJob
from store.database import Database
from store.models import Attempt
from tests.conftest import fresh_database
from tests.e2e.service import Service, running_service, wait_for
from tests.machine import patience
from tests.services import BUCKET

SHORT = {"lease_s": 6, "reap_s": 0.5, "watch_s": 0.1, "checkpoint_s": 0.2}
SCHEDULE = {"policy": "triangular2", "base_lr": 0.01, "max_lr": 0.1, "step_size": 20}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def service(
    request: pytest.FixtureRequest, broker_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, Client, str]]:
    """One service per backend for this module, and the URL of its database."""
    folder = tmp_path_factory.mktemp("service")
    with (
        fresh_database(request.param, folder, request) as url,
        running_service(url, broker_url, folder, **SHORT) as (service, client),
    ):
        yield service, client, url


def test_the_smallest_request_ends_with_bounds_and_their_reasons(
    service: tuple[Service, Client, str],
) -> None:
    _, client, _ = service

    bounds = client.range_test("digits-mlp").wait(timeout_s=patience(90)).bounds()

    assert 0 < bounds.base_lr < bounds.max_lr
    low, high = bounds.max_lr_interval
    assert low <= bounds.max_lr <= high
    assert bounds.reason_base
    assert bounds.reason_max
    assert {candidate.name for candidate in bounds.candidates} >= {"valley", "steep"}
    assert "CyclicLR" in bounds.snippet()


def test_a_job_can_be_followed_with_plain_http(service: tuple[Service, Client, str]) -> None:
    base, _, _ = service

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


def test_the_same_request_gives_the_same_bounds_and_curve(service: tuple[Service, Client, str]) -> None:
    _, client, _ = service

    first, again = [
        client.range_test("digits-mlp", num_seeds=1, seed=5).wait(timeout_s=patience(90)) for _ in range(2)
    ]

    assert first.bounds().max_lr == again.bounds().max_lr
    assert first.curve()["runs"] == again.curve()["runs"]


def test_the_catalogue_tells_what_can_be_run(service: tuple[Service, Client, str]) -> None:
    _, client, _ = service

    names = {workload["name"] for workload in client.workloads()}

    assert names >= {"digits-mlp", "digits-cnn", "mnist5k-cnn"}
    assert len(client.workers()) == 1


def test_one_request_finds_the_bounds_and_trains_inside_them(service: tuple[Service, Client, str]) -> None:
    _, client, _ = service

    job = client.train("digits-mlp", num_cycles=2).wait(timeout_s=patience(100))

    range_test = job.range_test()
    assert range_test is not None
    bounds = range_test.bounds()
    assert job.result is not None
    assert job.result.schedule["max_lr"] == pytest.approx(bounds.max_lr, rel=0.05)
    assert job.result.final is not None
    assert job.result.final.accuracy is not None
    assert job.result.final.accuracy > 0.9


@pytest.fixture(scope="module")
def hosts(
    request: pytest.FixtureRequest, s3_access: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, Client]]:
    """An API and a worker, each on a host of its own, that share a Postgres, a broker and a bucket."""
    folder, broker = tmp_path_factory.mktemp("hosts"), request.getfixturevalue("broker_url")
    artifacts = {"artifacts_url": f"s3://{BUCKET}/hosts"}
    with pytest.MonkeyPatch.context() as patch, fresh_database("postgres", folder, request) as url:
        for name, value in s3_access.items():
            patch.setenv(name, value)
        with running_service(url, broker, folder, **SHORT, **artifacts) as running:
            yield running


def trained(client: Client, fault: str) -> TrainingJob:
    return client.train("hostile", SCHEDULE, params={"fault": fault}, num_steps=120)


def test_a_training_killed_midway_goes_on_and_is_the_same_training(
    service: tuple[Service, Client, str],
) -> None:
    _, client, url = service
    whole, job = trained(client, "dropout"), trained(client, "slow_dropout")
    wait_for(lambda: job.refresh().progress.get("completed", 0) > 50)

    database = Database(url)
    with database.read() as session:
        pid = session.scalar(select(Attempt.pid).where(Attempt.job_id == job.id))
    database.close()
    os.kill(pid or 0, signal.SIGKILL)
    job.wait(timeout_s=patience(90))

    assert job.data["attempt"] == 2
    assert job.curve() == whole.wait(timeout_s=patience(60)).curve()
    assert job.result == whole.result


def test_a_training_whose_host_is_killed_goes_on_from_the_bucket_on_another(
    hosts: tuple[Service, Client], tmp_path: Path
) -> None:
    service, client = hosts
    whole = trained(client, "dropout").wait(timeout_s=patience(90))
    job = trained(client, "slow_dropout")
    wait_for(lambda: job.refresh().progress.get("completed", 0) > 50)

    service.kill("worker")
    service.start("worker-b")
    job.wait(timeout_s=patience(120))

    assert job.data["attempt"] == 2
    assert re.search(r"goes on after step \d\d", service.log_of("worker-b"))
    assert job.curve() == whole.curve()
    assert job.result == whole.result
    newest = job.checkpoints()[0]
    job.download(newest.step, tmp_path / "newest.pt")
    assert (tmp_path / "newest.pt").stat().st_size == newest.size_bytes
    assert torch.load(tmp_path / "newest.pt", weights_only=True)["model"]
