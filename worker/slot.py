"""A slot: the long-lived child of the Celery pool that has each ring answered by a process of its own.

It runs no op, opens no database and asks CUDA nothing, so that a process forked from it takes its first step within
milliseconds, and gives all its memory back. Where that cannot be, it starts a process before each ring.
"""

import gc
import logging
import os
import subprocess
import sys
from typing import Any, Protocol

from billiard.common import human_status
from billiard.exceptions import WorkerLostError
from billiard.process import current_process

from store.settings import Settings
from worker.child import DONE, Holding, live, load
from worker.forking import hindrance

log = logging.getLogger(__name__)


class Slot(Protocol):
    """A pool child that is ready for rings."""

    def answer(self, ring_id: str) -> None:
        """Have a process answer one ring. Raises `WorkerLostError` if it did not end by itself."""


class ForkingSlot:
    """Forks a process when the ring comes."""

    def __init__(self, holding: Holding) -> None:
        self._holding = holding
        gc.collect()
        gc.freeze()  # a collection in a child would write to, and so copy, all that it shares with its slot

    def answer(self, ring_id: str) -> None:
        """See `Slot`."""
        slot_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            live(self._holding, slot_pid=slot_pid, ring_id=ring_id)
        _report(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


class SpawningSlot:
    """Keeps a process ready, which takes seconds to load what it needs."""

    def __init__(self) -> None:
        self._child = self._start()

    def answer(self, ring_id: str) -> None:
        """See `Slot`."""
        self._child.communicate(ring_id.encode())
        ended, self._child = self._child, self._start()
        _report(ended.returncode)

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-P", "-m", "worker.spawned", str(os.getpid())]
        return subprocess.Popen(command, stdin=subprocess.PIPE)


def prepare(settings: Settings, *, worker_id: str) -> Slot:
    """Make this process a slot."""
    current: Any = current_process()
    current._config["daemon"] = False  # a daemon may have no children; a DataLoader's workers are children
    holding = load(settings, worker_id=worker_id)
    if (why := hindrance()) is None:
        return ForkingSlot(holding)
    log.warning("each job's process is started from nothing, in seconds, as a fork would be unsafe: %s", why)
    return SpawningSlot()


def _report(code: int) -> None:
    """Say of a child what billiard says of one of its own: the Celery parent hears it (`bury_child`)."""
    if code != DONE:
        raise WorkerLostError(f"Worker exited prematurely: {human_status(code)}.")
