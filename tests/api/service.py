"""The API as a process, which may be stopped and killed, on a database where tests play the workers."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from clr_tuner.events import Event, read_events
from store import claims, runs
from store.database import Database
from store.jobs import NewJob, create
from store.status import Outcome
from tests.api.lifecycle import BOUNDS, PLAN
from tests.machine import patience
from tests.services import Server, free_port

SWEEP = {"sweep": 1, "seed": 0}
PROGRESS = {"phase": "test", "completed": 0, "total": 100, "unit": "steps"}


class Service:
    """The API as a process, on a database where tests play the workers."""

    def __init__(self, database_url: str, folder: Path, **settings: str) -> None:
        self.database = Database(database_url)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "--factory",
            "api.app:create_app",
            "--port",
            str(self.port),
        ]
        environment = os.environ | {
            "CLR_DATABASE_URL": database_url,
            "CLR_DATA_DIR": str(folder),
            "CLR_BROKER_URL": "redis://127.0.0.1:1/0",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        environment |= {f"CLR_{name.upper()}": value for name, value in settings.items()}
        self.process = Server(
            [*command, "--log-level", "warning"],
            url=self.url,
            stop=signal.SIGTERM,
            answers=lambda: httpx2.get(f"{self.url}/healthz"),
            env=environment,
        )
        self.process.start()

    def close(self) -> None:
        self.process.close()
        self.database.close()

    def running(self, **fields: Any) -> str:
        """A job that a worker holds."""
        with self.database.write() as session:
            job = create(session, NewJob(kind="range_test", workload="w", config={}, **fields))[0]
        return self.claim(job.id)

    def claim(self, job_id: str) -> str:
        with self.database.write() as session:
            claimed = claims.claim(session, workloads=["w"], worker_id="w", ring_id="r", pid=1, lease_s=600)
        assert claimed is not None
        assert claimed.id == job_id
        return job_id

    def begin(self, job_id: str, *, attempt: int = 1, after_step: int = -1) -> None:
        with self.database.write() as session:
            claims.report(session, job_id, attempt, PROGRESS)
            runs.begin_run(session, job_id, **SWEEP, plan=PLAN, after_step=after_step)

    def append(self, job_id: str, steps: range, loss: float = 0.5, *, attempt: int = 1) -> None:
        with self.database.write() as session:
            claims.report(session, job_id, attempt, PROGRESS | {"completed": steps.stop})
            rows = [(step, 0.1, loss) for step in steps]
            runs.append(session, job_id, **SWEEP, series="train", rows=rows)

    def succeed(self, job_id: str, *, attempt: int = 1) -> None:
        with self.database.write() as session:
            runs.finish_run(session, job_id, **SWEEP)
            claims.succeed(session, job_id, attempt, outcome=Outcome.BOUNDS_FOUND, result=BOUNDS)

    @contextmanager
    def stream(self, path: str, last: str = "") -> Iterator[Iterator[Event]]:
        """The events of a path, as they come."""
        headers = {"Last-Event-ID": last} if last else {}
        with (
            httpx2.Client(base_url=self.url, timeout=patience(30)) as http,
            http.stream("GET", path, headers=headers) as answer,
        ):
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            yield (event for event in read_events(answer.iter_bytes()) if event.name)
