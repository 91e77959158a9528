"""The real service under `clr-tuner serve`: broker, worker and API as processes."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clr_tuner.client import Client
from tests.clr_tuner.embedded.test_processes import eventually, is_running

CLR_TUNER = str(Path(sys.executable).parent / "clr-tuner")


class Serve:
    """A `clr-tuner serve` that is ready, and what it said until then."""

    def __init__(self, data_dir: Path) -> None:
        self._env = os.environ | {"CLR_DATA_DIR": str(data_dir), "CLR_DATABASE_URL": "", "CLR_BROKER_URL": ""}
        self.process = subprocess.Popen(
            [CLR_TUNER, "serve", "--port", "0"],
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.said = ""
        for line in self.process.stdout:
            self.said += line
            if line.startswith("Ctrl-C"):
                break
        ready = re.search(r"ready at (http://\S+)", self.said)
        assert ready, self.said
        self.url = ready[1]

    def again(self) -> subprocess.CompletedProcess[str]:
        """A second one on the same data directory."""
        command = [CLR_TUNER, "serve", "--port", "0"]
        return subprocess.run(command, env=self._env, capture_output=True, text=True, check=False)

    def tree(self) -> dict[int, str]:
        """Every process below this one: {pid: command line}."""
        parents, commands = {}, {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                stat, command = (folder / "stat").read_text(), (folder / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(folder.name)] = int(stat.rpartition(")")[2].split()[1])
            commands[int(folder.name)] = command.replace(b"\0", b" ").decode()
        below = {self.process.pid}
        while grown := {pid for pid, parent in parents.items() if parent in below} - below:
            below |= grown
        return {pid: commands[pid] for pid in below - {self.process.pid}}

    def pid_of(self, word: str) -> int:
        """The first process whose command line holds `word`."""
        return min(pid for pid, command in self.tree().items() if word in command)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    service = Serve(tmp_path)
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
