"""The end of a worker that was told to stop: its jobs are given back and all its children killed, within seconds.

Celery's warm shutdown waits until every child has ended by itself, also one that still loads torch for a job that
will not come: the replacement of the child just killed. That took 5 to 12 s, and is cut short here.
"""

import logging
import os
import time
from threading import Event, Thread, Timer

from billiard.process import active_children

from worker.descendants import kill_descendants
from worker.watcher import Watcher, kill

log = logging.getLogger(__name__)

DEADLINE_S = 1.2  # `serve` kills a worker that needs longer (client/embedded.py)
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
        deadline = Timer(DEADLINE_S, _end)
        deadline.daemon = True
        deadline.start()
        while True:  # until the process ends: a child killed may have been replaced
            if self.watcher is not None:
                self.watcher.drain()
            for child in active_children():
                kill(child.pid)
            time.sleep(LOOK_S)


def _end() -> None:
    """End whatever Celery still waits for, a database or broker that does not answer too."""
    log.warning("not stopped after %g s; ending at once", DEADLINE_S)
    kill_descendants(os.getpid())
    os._exit(0)
