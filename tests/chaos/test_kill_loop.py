"""Two projects ask and listen for a minute while something is killed every few seconds; nothing is lost or doubled."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from clr_tuner.client import Client
from store.database import Database
from tests.chaos.listening import Project
from tests.chaos.stack import (
    SHORT,
    Stack,
    assert_one_sound_result,
    is_running,
    pids_below,
    running_stack,
)
from tests.e2e.service import PLUGINS, wait_for
from tests.machine import patience
from tests.services import free_port

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]
SECONDS, PAUSE_S = 60.0, 3.0  # between two kills
ADMIN_KEY = "the-key-of-the-admin"
SETTINGS = {"max_attempts": 50, "reap_s": 0.5, "admin_key": ADMIN_KEY}
TINY = {"num_seeds": 1, "start_lr": 0.001, "end_lr": 0.1, "num_steps": 20}


class Embedded:
    """`clr-tuner serve`, started again whenever it was killed itself; the broker, API and worker are its own care."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        settings = (
            SHORT | SETTINGS | {"data_dir": folder, "database_url": "", "broker_url": "", "port": self.port}
        )
        self._environment = os.environ | {
            f"CLR_{name.upper()}": str(value) for name, value in settings.items()
        }
        self._environment["PYTHONPATH"] = str(PLUGINS)
        self.seen: set[int] = set()
        self.start()

    @property
    def url(self) -> str:
        """Where its API listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it; it is ready some seconds later."""
        with (self.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(Path(sys.executable).with_name("clr-tuner")), "serve"],
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def victims(self) -> dict[str, Callable[[], None]]:
        """What may be killed now."""
        found: dict[str, Callable[[], None]] = {"serve": self._kill_serve}
        for pid in pids_below(self.process.pid):
            self.seen.add(pid)
            try:
                process = psutil.Process(pid)
                parent = psutil.Process(process.ppid())
                command, above = (
                    "".join(f"{word}\0" for word in owner.cmdline()) for owner in (process, parent)
                )
            except psutil.NoSuchProcess:
                continue
            words = {"api": "api.app", "broker": "valkey", "worker": "-m\0worker\0", "slot": "spawn_main"}
            if "spawn_main" in command and "spawn_main" in above:
                words = {"child": "spawn_main"}  # forked by a slot, whose command line it has
            for name, word in words.items():
                if word in command:
                    found[name] = lambda pid=pid: os.kill(pid, signal.SIGKILL)  # type: ignore[misc]
        return found

    def _kill_serve(self) -> None:
        self.process.kill()
        self.process.wait()
        self.start()

    def stop(self) -> None:
        """End it in order."""
        self.victims()
        self.process.terminate()
        self.process.wait(patience(30))


class AtScale:
    """A stack on Postgres; whoever kills one of its parts starts it again."""

    def __init__(self, stack: Stack) -> None:
        self._stack, self.url = stack, stack.service.url
        self.seen: set[int] = set()

    def victims(self) -> dict[str, Callable[[], None]]:
        """What may be killed now."""
        children = pids_below(self._stack.service.processes["worker"].pid)
        self.seen |= children
        found: dict[str, Callable[[], None]] = {
            "api": lambda: self._restart("api"),
            "worker": lambda: self._restart("worker"),
            "broker": self._restart_broker,
        }
        if children:
            found["child"] = lambda: os.kill(max(children), signal.SIGKILL)
        return found

    def _restart(self, name: str) -> None:
        self._stack.service.kill(name)
        self._stack.service.start(name)

    def _restart_broker(self) -> None:
        self._stack.broker.stop(signal.SIGKILL)
        self._stack.broker.start()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Embedded]:
    """An embedded service."""
    service = Embedded(tmp_path)
    yield service
    if service.process.poll() is None:
        service.stop()


def kill_for_a_while(system: Embedded | AtScale, database_url: str) -> None:
    chance, kills, asked = random.Random(20_261_124), [], 0
    with Client(system.url, ADMIN_KEY, retry_s=patience(60)) as admin:
        admin.whoami()  # answers when the service does
        projects = [Project(system.url, admin, name, retry_s=patience(60)) for name in ("red", "blue")]
        ends_at = time.monotonic() + SECONDS
        next_kill = time.monotonic() + PAUSE_S
        while time.monotonic() < ends_at:
            projects[asked % 2].submit("hostile", **TINY)
            asked += 1
            if time.monotonic() > next_kill:
                victims = system.victims()
                name = chance.choice(sorted(victims))
                try:
                    victims[name]()
                    kills.append(name)
                except ProcessLookupError:  # it was quicker
                    pass
                next_kill = time.monotonic() + chance.uniform(0.5, 1.5) * PAUSE_S
            time.sleep(chance.uniform(0.5, 1.5))
        cut = sum(project.assert_all_was_told(within_s=600) for project in projects)
        assert_each_is_sound_and_theirs(projects, database_url)
    counted = {name: kills.count(name) for name in sorted(set(kills))}
    sys.stdout.write(
        f"\n{asked} jobs, {len(kills)} kills {counted}: lost 0, doubled 0; {cut} rows told again\n"
    )


def assert_each_is_sound_and_theirs(projects: list[Project], database_url: str) -> None:
    database = Database(database_url)
    for project, other in zip(projects, reversed(projects), strict=True):
        for job in project.jobs:
            assert_one_sound_result(database, job)
        other.assert_deaf_to(project.jobs[0])
    for project in projects:
        project.close()
    database.close()


def test_nothing_is_lost_or_doubled_embedded(embedded: Embedded) -> None:
    kill_for_a_while(embedded, f"sqlite:///{embedded.folder / 'clr.sqlite3'}")
    embedded.stop()

    wait_for(lambda: not any(map(is_running, embedded.seen)))


def test_nothing_is_lost_or_doubled_at_scale(tmp_path: Path) -> None:
    with running_stack("postgres", tmp_path, **SETTINGS) as stack:
        system = AtScale(stack)
        assert stack.database_server is not None
        kill_for_a_while(system, stack.database_server.url)
        system.victims()

    wait_for(lambda: not any(map(is_running, system.seen)))
