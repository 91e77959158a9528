"""The real service under `clr-tuner serve`: broker, worker and API as processes."""

import os
import re
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from clr_tuner.client import Client
from tests.clr_tuner.embedded.test_processes import eventually, is_running
from tests.serve import Serve


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    service = Serve(tmp_path).wait_until_ready()
    with service.process:
        yield service
        service.process.kill()


def test_serve_mends_itself_refuses_a_second_one_and_leaves_nothing_behind(serve: Serve) -> None:
    api = serve.pid_of("api.app:create_app")

    second = serve.again()
    os.kill(api, signal.SIGKILL)
    with Client(serve.url) as client:
        names = [workload["name"] for workload in client.workloads()]
    tree = serve.tree()
    serve.process.terminate()
    output, _ = serve.process.communicate()

    assert second.returncode == 1
    assert f"another service (process {serve.process.pid})" in second.stderr
    assert "digits-mlp" in names
    assert "api ended (SIGKILL); starting it again in 0.5 s." in output
    assert serve.process.returncode == 0
    assert len(tree) >= 3
    assert not any(map(is_running, tree))


def test_what_serve_keeps_and_who_may_ring_is_for_this_user_alone(serve: Serve, tmp_path: Path) -> None:
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path, *tmp_path.rglob("*"))}
    tree = serve.tree()
    [broker] = [int(command.rpartition(":")[2]) for command in tree.values() if "valkey-server" in command]
    environment = Path(f"/proc/{serve.pid_of('api.app:create_app')}/environ").read_text()
    url = re.search(r"CLR_BROKER_URL=(redis://:([^@]+)@[^\0]+)", environment)

    assert url
    with redis.Redis(port=broker) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with redis.Redis.from_url(url[1]) as ours:
        assert ours.ping()
    assert {path.name: mode for path, mode in modes.items() if mode & 0o077} == {}
    assert not any(url[2] in command for command in tree.values())
    assert not any(url[2] in log.read_text() for log in (tmp_path / "logs").iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_killed_serve_takes_every_process_along(serve: Serve) -> None:
    tree = serve.tree()

    serve.process.kill()

    assert len(tree) >= 3
    assert eventually(lambda: not any(map(is_running, tree)))
