"""The commands of docs/keys.md do what the page says, against a service with an admin's key."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clr_tuner.client import Client
from clr_tuner.embedded.ports import find_free_port
from clr_tuner.errors import ClientError
from tests import machine
from tests.conftest import fresh_database

ROOT = Path(__file__).parents[1]
START, USE = [
    block.partition("\n")[2].partition("```")[0]
    for block in (ROOT / "docs" / "keys.md").read_text().split("```sh")[1:]
]


def run(script: str, **variables: str) -> str:
    """What the shell prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)} | variables
    done = subprocess.run(["sh", "-ec", script], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Client]:
    """A client with the key that the first block makes, of an API that was started with it."""
    key = run(START.replace("clr-tuner serve", "printenv CLR_ADMIN_KEY")).strip()
    port = find_free_port("127.0.0.1")
    with fresh_database("sqlite", tmp_path, request) as url:
        env = os.environ | {"PYTHONPATH": str(ROOT), "CLR_DATABASE_URL": url, "CLR_ADMIN_KEY": key}
        command = [sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app", "--port", str(port)]
        api = subprocess.Popen(command, env=env, cwd=tmp_path, stderr=subprocess.DEVNULL)
        try:
            with Client(f"http://127.0.0.1:{port}", key, retry_s=machine.patience(30)) as client:
                client.connection.get("/healthz")
                yield client
        finally:
            api.terminate()
            api.wait()


def test_the_commands_make_list_and_revoke_keys(service: Client) -> None:
    headers = service.connection._http.headers["Authorization"]
    variables = {"CLR_ADMIN_KEY": headers.removeprefix("Bearer "), "CLR_URL": service.connection.shown}

    said = run(USE, **variables).splitlines()

    [page, nightly] = service.keys()
    assert [len(line) for line in said[:2]] == [47, 47]
    assert said[2].split()[:3] == ["ID", "NAME", "PROJECT"]
    assert [line.split() for line in said if line.startswith("scope")] == [["scope", "admin"]]
    assert said[-1] == f"the key {page['prefix']}... of the team's page is revoked"
    assert (page["scope"], nightly["scope"], nightly["project"]) == ("read", "submit", "vision")
    assert page["revoked_at"]
    assert nightly["expires_at"] > time.strftime("%Y")
    with Client(service.connection.shown, said[0], retry_s=0) as ours:
        assert list(ours.jobs()) == []
    with (
        Client(service.connection.shown, said[1], retry_s=0) as revoked,
        pytest.raises(ClientError, match="was revoked"),
    ):
        list(revoked.jobs())
