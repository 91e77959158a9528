"""A service of real processes: uvicorn, Celery workers, somebody's database and broker."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from clr_tuner.client import Client
from tests.machine import patience
from tests.services import free_port

ROOT = Path(__file__).parent.parent.parent
PLUGINS = ROOT / "tests" / "plugins"
READY_S = 60


class Service:
    """Starts and ends the processes of one service; restarts are explicit.

    Names are `api` and `worker`, or several of them: `api-2`, `worker-b`. Each worker has a data folder of its own.
    plugins: the folder where packages of workloads are installed.
    """

    def __init__(
        self, database_url: str, broker_url: str, folder: Path, *, plugins: Path = PLUGINS, **settings: object
    ) -> None:
        self._folder = folder
        given = {"database_url": database_url, "broker_url": broker_url} | settings
        self._environment = (
            os.environ
            | {f"CLR_{name.upper()}": str(value) for name, value in given.items()}
            | {"PYTHONPATH": str(plugins)}
        )
        self._ports: dict[str, int] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """Where the first API listens."""
        return self.url_of("api")

    def url_of(self, api: str) -> str:
        """Where this API listens, also when it is started again."""
        return f"http://127.0.0.1:{self._ports.setdefault(api, free_port())}"

    def start(self, name: str, **environment: str) -> None:
        """Start it, with some more environment."""
        port = self.url_of(name).rpartition(":")[2]
        command = {
            "api": [
                "-m",
                "uvicorn",
                "--factory",
                "api.app:create_app",
                "--port",
                port,
                "--http",
                "api.connection:Connection",
                "--log-level",
                "warning",
            ],
            "worker": ["-m", "worker"],
        }[name.partition("-")[0]]
        data = self._folder / f"data-{name}"
        data.mkdir(exist_ok=True)
        with (self._folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=self._environment | {"CLR_DATA_DIR": str(data)} | environment,
                stdout=log,
                stderr=log,
            )

    def kill(self, *names: str) -> None:
        """End them as a crash of the host would."""
        for name in names:
            self.processes[name].kill()
        for name in names:
            self.processes[name].wait()

    def wait_until_ready(self) -> None:
        """Until the API answers that a worker has published its workloads."""
        deadline = time.monotonic() + patience(READY_S)
        while True:
            try:
                if httpx2.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.05)

    def log_of(self, name: str) -> str:
        """What this process and its children said."""
        return (self._folder / f"{name}.log").read_text()

    def logs(self) -> str:
        """What the processes said."""
        return "\n".join(path.read_text() for path in sorted(self._folder.glob("*.log")))

    def stop(self) -> None:
        """End everything, the workers first."""
        for name in sorted(self.processes, reverse=True):
            self.processes[name].send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(patience(20))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(condition: Callable[[], object], within_s: float = 60.0) -> None:
    """Look until it holds; `within_s`: on an idle machine."""
    deadline = time.monotonic() + patience(within_s)
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


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
