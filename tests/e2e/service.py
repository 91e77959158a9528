"""A service of real processes: uvicorn, a Celery worker, the run's Valkey, SQLite or Postgres."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from client.client import Client
from tests.services import free_port

ROOT = Path(__file__).parent.parent.parent
PLUGINS = ROOT / "tests" / "plugins"
READY_S = 60


class Service:
    """Starts and ends the processes of one service; restarts are explicit.

    plugins: the folder where packages of workloads are installed.
    """

    def __init__(
        self, database_url: str, broker_url: str, folder: Path, *, plugins: Path = PLUGINS, **settings: object
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        given = {"database_url": database_url, "broker_url": broker_url, "data_dir": folder} | settings
        self._environment = (
            os.environ
            | {f"CLR_{name.upper()}": str(value) for name, value in given.items()}
            | {"PYTHONPATH": str(plugins)}
        )
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start the `api` or the `worker`."""
        command = {
            "api": [
                "-m", "uvicorn", "--factory", "api.app:create_app", "--port", str(self.port), "--log-level", "warning"
            ],
            "worker": ["-m", "worker"],
        }[name]  # fmt: skip
        with (self._folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )

    def kill(self, name: str) -> None:
        """End it as a crash of the host would."""
        self.processes[name].kill()
        self.processes[name].wait()

    def wait_until_ready(self) -> None:
        """Until the API answers that a worker has published its workloads."""
        deadline = time.monotonic() + READY_S
        while True:
            try:
                if httpx2.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            assert time.monotonic() < deadline, self.logs()

    def logs(self) -> str:
        """What the processes said."""
        return "\n".join(path.read_text() for path in sorted(self._folder.glob("*.log")))

    def stop(self) -> None:
        """End everything, the worker first."""
        for name in ("worker", "api"):
            if name in self.processes:
                self.processes[name].send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def running_service(
    database_url: str, broker_url: str, folder: Path, *, plugins: Path = PLUGINS, **settings: object
) -> Iterator[tuple[Service, Client]]:
    """A ready service and a client of it."""
    service = Service(database_url, broker_url, folder, plugins=plugins, **settings)
    service.start("worker")
    service.start("api")
    try:
        service.wait_until_ready()
        with Client(service.url) as client:
            yield service, client
    finally:
        service.stop()
