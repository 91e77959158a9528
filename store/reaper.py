"""What ends the attempts of lost workers, and finishes what lost processes began.

A thread of every API process and every Celery parent.
"""

import logging
import time
from threading import Event, Thread

from sqlalchemy.exc import SQLAlchemyError

from store import webhooks
from store.artifacts import find_artifacts
from store.batches import in_batches
from store.chores import LeftOver
from store.database import Database
from store.losses import end_expired
from store.retention import remove_old
from store.ringer import Ringer
from store.settings import Settings, describe_former

log = logging.getLogger(__name__)

PAUSE_S = 300.0  # between two looks for what is too old


class Reaper:
    """Ends what lost its lease every `reap_s`, and has `ringer` ring for each job that is queued again.

    Between two such looks it removes a little of what is older than it is kept.
    """

    def __init__(self, database: Database, settings: Settings, ringer: Ringer) -> None:
        self._database, self._settings, self._ringer = database, settings, ringer
        self._left_over = LeftOver()
        self._stopping = Event()
        self._removes_after = 0.0
        self._thread = Thread(target=self._keep_reaping, name="reaper", daemon=True)

    def start(self) -> None:
        """Begin the thread."""
        for former in describe_former():
            log.warning(former)
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """End the thread, waiting a little; one that a dead database holds dies with the process."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def _keep_reaping(self) -> None:
        while not self._stopping.wait(self._settings.reap_s):
            try:
                for _ in range(end_expired(self._database, self._settings)):
                    self._ringer.ring()
                self._left_over.finish(self._database)
                self._remove_old()
            except SQLAlchemyError as error:
                log.warning("could not look for lost workers and old jobs: %s", error)
            except Exception:
                log.exception("could not look for lost workers and old jobs")

    def _remove_old(self) -> None:
        """Once a pause has passed since nothing was left to remove."""
        if time.monotonic() < self._removes_after:
            return
        if not remove_old(self._database, self._settings, find_artifacts(self._settings)):
            in_batches(self._database, webhooks.forget_some)
            self._removes_after = time.monotonic() + PAUSE_S
