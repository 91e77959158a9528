"""The real service under `clr-tuner serve`: broker, worker and API as processes."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_killed_serve_takes_every_process_along(serve: Serve) -> None:
    tree = serve.tree()

    serve.process.kill()

    assert len(tree) >= 3
    assert eventually(lambda: not any(map(is_running, tree)))
