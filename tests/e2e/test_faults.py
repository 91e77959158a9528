"""What goes wrong in a workload or a worker ends one job, with its own reason, and nothing else."""

import time
from collections.abc import Iterator

import pytest

from clr_tuner.client import Client
from clr_tuner.errors import JobFailed
from clr_tuner.job import Job
from tests.conftest import fresh_database
from tests.e2e.service import Service, running_service, wait_for
from tests.machine import patience, slowed

SHORT = {
    "lease_s": slowed(6),
    "reap_s": 0.5,
    "watch_s": 0.1,
    "stall_timeout_s": slowed(10),  # a busy machine loads data meanwhile
    "cancel_grace_s": 1,
    "max_attempts": 2,
}


@pytest.fixture(scope="module")
def service(
    request: pytest.FixtureRequest, broker_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, Client]]:
    """One service with short leases for this module."""
    folder = tmp_path_factory.mktemp("faults")
    with (
        fresh_database("sqlite", folder, request) as url,
        running_service(url, broker_url, folder, **SHORT) as running,
    ):
        yield running


@pytest.fixture
def client(service: tuple[Service, Client]) -> Client:
    """A client of the module's service."""
    return service[1]


def hostile(client: Client, fault: str, **fields: object) -> Job:
    short = {"num_seeds": 1, "num_steps": 200, "start_lr": 0.001, "end_lr": 0.1}
    return client.range_test("hostile", params={"fault": fault}, **short | fields)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("raise", "workload_error"),
        ("segfault", "crashed"),
        ("quit", "crashed"),
        ("memory", "out_of_memory"),
        ("hang", "stalled"),
        ("kill", "worker_lost"),
    ],
)
def test_a_fault_fails_its_job_and_the_slot_takes_the_next(client: Client, fault: str, reason: str) -> None:
    job, following = hostile(client, fault), hostile(client, "none")

    with pytest.raises(JobFailed) as failed:
        job.wait(timeout_s=patience(60))

    assert failed.value.reason == reason
    following.wait(timeout_s=patience(60))


def test_a_job_that_takes_too_long_times_out(client: Client) -> None:
    with pytest.raises(JobFailed) as failed:
        hostile(client, "sleep", timeout_s=1.5).wait(timeout_s=patience(60))

    assert failed.value.reason == "timed_out"


def test_a_workload_that_ignores_everything_is_cancelled_within_five_seconds(client: Client) -> None:
    job = hostile(client, "hang")
    wait_for(lambda: bool(job.refresh().progress.get("completed", 0) or job.status == "running"))

    asked_at = time.monotonic()
    job.cancel()
    with pytest.raises(JobFailed) as failed:
        job.wait(timeout_s=patience(30))

    assert failed.value.reason == "cancelled"
    assert time.monotonic() - asked_at < patience(5)


def test_a_job_survives_the_kill_of_its_whole_worker(service: tuple[Service, Client]) -> None:
    processes, client = service
    job = hostile(client, "patient")
    wait_for(lambda: job.refresh().progress.get("completed", 0) > 0)

    processes.kill("worker")
    processes.start("worker")
    job.wait(timeout_s=patience(90))

    assert job.data["attempt"] == 2
    for run in job.curve()["runs"]:
        assert run["step"] == list(range(len(run["step"])))
