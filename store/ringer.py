"""What rings for jobs: for new ones whenever asked, and for those whose ring was lost.

A thread of its own in every API process and every Celery parent, as a stopped broker may hold a ring for long.
"""

import logging
from threading import Event, Semaphore, Thread

from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy.exc import SQLAlchemyError

from store import claims
from store.database import Database
from store.doorbell import Doorbell
from store.settings import Settings

log = logging.getLogger(__name__)


class Ringer:
    """Rings once for each time that it is asked, and every `reap_s` for jobs that should have been claimed."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings
        self._doorbell = Doorbell(settings.broker_url)
        self._asked, self._stopping = Semaphore(0), Event()
        self._thread = Thread(target=self._keep_ringing, name="ringer", daemon=True)

    def start(self) -> None:
        """Begin the thread."""
        self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """End the thread, waiting a little; one that a dead broker holds dies with the process."""
        self._stopping.set()
        self._asked.release()
        self._thread.join(timeout_s)

    def ring(self) -> None:
        """Have a worker rung soon, without waiting for the broker."""
        self._asked.release()

    def _keep_ringing(self) -> None:
        while not self._stopping.is_set():
            times = int(self._asked.acquire(timeout=self._settings.reap_s))
            while times and self._asked.acquire(blocking=False):
                times += 1
            try:
                self._ring(times)
            except (BrokerError, SQLAlchemyError) as error:
                log.warning("could not ring: %s", error)
            except Exception:
                log.exception("could not ring")  # and goes on: nobody else rings for what is late

    def _ring(self, times: int) -> None:
        """Ring as often as asked; unasked, for the jobs that should have been claimed since the last look."""
        with self._database.read() as session:
            queued, late = claims.waiting(session, for_s=self._settings.reap_s)
        if times or late:
            self._doorbell.ring(times or late, queued=queued)
