"""Keeps a worker announced: starts `worker.publish`, and again whenever the database does not know the worker.

A worker that was not seen for long, asleep or cut off, is forgotten by the others (store/reaper.py).
"""

import subprocess
import sys

from store.gate import find_gate


class Publisher:
    """The Celery parent's short-lived process that publishes the catalogue."""

    def __init__(self, worker_id: str) -> None:
        self._command = [sys.executable, "-P", "-m", "worker.publish", worker_id]
        self._process = self._start()

    def tend(self, *, known: bool) -> None:
        """Publish again if the last attempt ended and the worker is not known."""
        if self._process.poll() is not None and not known:
            self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(self._command, pass_fds=find_gate())

    def wait(self) -> None:
        """Wait for the process that runs, if one does."""
        self._process.wait()

    def stop(self) -> None:
        """End the process that runs, if one does: it takes seconds, and what it would say is over."""
        self._process.kill()
        self._process.wait()
