"""The end of a worker that was told to stop: its jobs are given back and all its children killed, within seconds.

Celery's warm shutdown waits until every child has ended by itself, also one that still loads torch for a job that
will not come: the replacement of the child just killed. That took 5 to 12 s, and is cut short here.
"""

import logging
import os
import time
from threading import Event, Thread, Timer

from billiard.process import active_children

from worker.descendants import kill, kill_descendants
from worker.watcher import Watcher

log = logging.getLogger(__name__)

PATIENCE_S = 15.0  # with a database that does not answer; `serve` waits for no worker so long
DEADLINE_S = 1.0  # for Celery, once the jobs are given back
LOOK_S = 0.05


class Drain:
    """Waits in a thread of its own for `begin`; `watcher` is set once there is one."""

    def __init__(self) -> None:
        self.watcher: Watcher | None = None
        self._asked = Event()
        Thread(target=self._drain, name="drain", daemon=True).start()

    def begin(self) -> None:
        """Have it done: no more than that, as a signal's handler may have interrupted a transaction."""
        self._asked.set()

    def _drain(self) -> None:
        self._asked.wait()
        _end_after(PATIENCE_S, "the database does not answer")
        given_back = False
        while True:  # until the process ends: a child killed may have been replaced
            done = self.watcher is None or self.watcher.drain()
            if done and not given_back:
                _end_after(DEADLINE_S, "not stopped")
            given_back |= done
            for child in active_children():
                kill(child.pid)
            time.sleep(LOOK_S)


def _end_after(seconds: float, why: str) -> None:
    timer = Timer(seconds, _end, (why, seconds))
    timer.daemon = True
    timer.start()


def _end(why: str, seconds: float) -> None:
    """End whatever Celery still waits for, a broker too."""
    log.warning("%s after %g s; ending at once", why, seconds)
    kill_descendants(os.getpid())
    os._exit(0)
