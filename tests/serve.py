"""`clr-tuner serve` as a process, for the tests that stop, kill and start it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.e2e.service import PLUGINS

COMMAND = [str(Path(sys.executable).with_name("clr-tuner")), "serve"]


class Serve:
    """`clr-tuner serve` on a folder and a free port, from its first word on."""

    def __init__(self, folder: Path, *, plugins: Path = PLUGINS, **settings: object) -> None:
        given = {"data_dir": folder, "database_url": "", "broker_url": "", "port": 0} | settings
        self.folder = folder
        self._env = os.environ | {f"CLR_{name.upper()}": str(value) for name, value in given.items()}
        self._env |= {"PYTHONPATH": str(plugins)}
        self.process = subprocess.Popen(
            COMMAND,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""

    def __enter__(self) -> "Serve":
        return self.wait_until_ready()

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()

    def wait_until_ready(self) -> "Serve":
        """Until it says so, and with what."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if line.startswith("Ctrl-C"):
                break
        ready = re.search(r"ready at (http://\S+)", self.said)
        assert ready, self.said
        self.url = ready[1]
        return self

    def stop(self, number: int = signal.SIGTERM) -> float:
        """End it in order; how long that took, seconds."""
        asked_at = time.monotonic()
        self.process.send_signal(number)
        self.said += self.process.communicate()[0]
        assert self.said.endswith("stopped\n"), self.said
        return time.monotonic() - asked_at

    def kill(self) -> None:
        """End it as the kernel would."""
        self.process.kill()
        self.process.communicate()

    def again(self) -> subprocess.CompletedProcess[str]:
        """A second one on the same data directory."""
        return subprocess.run(COMMAND, env=self._env, capture_output=True, text=True, check=False)

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
