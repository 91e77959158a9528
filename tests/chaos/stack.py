"""Everything that may be killed: API, workers, broker and, at scale, the database; and how to look inside."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
from sqlalchemy import select

from clr_tuner.client import Client
from clr_tuner.job import Job
from clr_tuner.training_job import TrainingJob
from migrations.schema import upgrade
from store.database import Database
from store.models import Attempt
from tests import services
from tests.e2e.service import Service, wait_for
from tests.machine import patience, slowed
from tests.services import Server

SHORT = {
    "lease_s": slowed(3),
    "reap_s": 0.5,
    "watch_s": 0.1,
    "stall_timeout_s": slowed(20),
    "cancel_grace_s": 1,
}
WITHIN_S = 60


class Stack:
    """One service with servers of its own; `database_server` is None with SQLite."""

    def __init__(
        self, service: Service, client: Client, broker: Server, database_server: Server | None, url: str
    ) -> None:
        self.service, self.client = service, client
        self.broker, self.database_server = broker, database_server
        self.database = Database(url)

    def metrics(self) -> str:
        """What the first API says of itself."""
        return httpx2.get(f"{self.service.url}/metrics").text

    def submit(self, fault: str = "patient", *, num_steps: int = 150, **fields: Any) -> Job:
        """A job of one sweep; `patient` takes 20 ms a step."""
        sweep = {"num_seeds": 1, "start_lr": 0.001, "end_lr": 0.1, "num_steps": num_steps}
        return self.client.range_test("hostile", **{"params": {"fault": fault}} | sweep | fields)

    def train(self, fault: str, *, num_steps: int) -> TrainingJob:
        """A training job of cycles of 40 steps."""
        schedule = {"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1, "step_size": 20}
        return self.client.train("hostile", schedule, params={"fault": fault}, num_steps=num_steps)

    def attempts(self, job: Job) -> list[Attempt]:
        """Every claim of the job, in order."""
        return attempts_of(self.database, job)

    def wait_for_steps(self, job: Job, more_than: int = 0) -> None:
        """Until the job has measured that many steps."""
        wait_for(lambda: job.refresh().progress.get("completed", 0) > more_than)


def is_running(pid: int) -> bool:
    """Whether a process of this pid is there and is not a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def attempts_of(database: Database, job: Job) -> list[Attempt]:
    """Every claim of the job, in order."""
    with database.read() as session:
        query = select(Attempt).where(Attempt.job_id == job.id).order_by(Attempt.attempt)
        return list(session.scalars(query))


def assert_one_sound_result(database: Database, job: Job) -> None:
    """The job succeeded once, and each of its curves has every step exactly once."""
    job.wait(timeout_s=patience(WITHIN_S))
    ends = [attempt.ended for attempt in attempts_of(database, job)]
    assert ends.count("succeeded") == 1, ends
    assert ends[-1] == "succeeded", ends
    runs = job.curve()["runs"]
    assert runs
    for run in runs:
        assert run["finished"]
        assert run["step"] == list(range(job.config["num_steps"]))


@contextmanager
def running_stack(backend: str, folder: Path, **settings: object) -> Iterator[Stack]:
    """`sqlite`: as embedded. `postgres`: as at scale, with a Redis where there is one. Its own servers, ready."""
    with services.broker_server(redis_if_there=backend == "postgres") as broker:
        if backend == "sqlite":
            with _serving(None, f"sqlite:///{folder / 'clr.sqlite3'}", broker, folder, settings) as stack:
                yield stack
            return
        with (
            services.postgres_server() as server,
            _serving(server, server.url, broker, folder, settings) as stack,
        ):
            yield stack


@contextmanager
def _serving(
    server: Server | None, url: str, broker: Server, folder: Path, settings: dict[str, object]
) -> Iterator[Stack]:
    upgrade(url)
    service = Service(url, broker.url, folder, **SHORT | settings)
    service.start("worker")
    service.start("api")
    try:
        service.wait_until_ready()
        with Client(service.url) as client:
            stack = Stack(service, client, broker, server, url)
            yield stack
            stack.database.close()
    finally:
        service.stop()


def pids_below(pid: int) -> set[int]:
    """Every process below this one, if it runs."""
    try:
        return {process.pid for process in psutil.Process(pid).children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


def signal_all(pids: set[int], number: int) -> None:
    """Send a signal to processes that may just have ended."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
