"""What keeps jobs moving when something was lost; runs in every API process and every Celery parent.

Two threads, as a stopped broker may hold a ring for long while leases must still be looked after.
"""

import logging
from threading import Event, Semaphore, Thread

from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy.exc import SQLAlchemyError

from store import jobs
from store.database import Database
from store.doorbell import Doorbell
from store.losses import sweep
from store.settings import Settings

log = logging.getLogger(__name__)


class Sweeper:
    """Sweeps every `sweep_s`, rings once whenever asked, and for jobs whose ring seems to be lost."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings
        self._doorbell = Doorbell(settings.broker_url)
        self._asked, self._stopping = Semaphore(0), Event()
        self._threads = [
            Thread(target=self._keep_ringing, daemon=True),
            Thread(target=self._keep_sweeping, daemon=True),
        ]

    def start(self) -> None:
        """Begin both threads."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Ask both to end and wait a little; a thread held by a dead broker dies with the process."""
        self._stopping.set()
        self._asked.release()
        for thread in self._threads:
            thread.join(timeout_s)

    def ring(self) -> None:
        """Have a worker rung soon, without waiting for the broker."""
        self._asked.release()

    def _keep_ringing(self) -> None:
        while not self._stopping.is_set():
            times = int(self._asked.acquire(timeout=self._settings.sweep_s))
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
            queued, late = jobs.waiting(session, for_s=self._settings.sweep_s)
        if times or late:
            self._doorbell.ring(times or late, queued=queued)

    def _keep_sweeping(self) -> None:
        while not self._stopping.wait(self._settings.sweep_s):
            try:
                for _ in range(sweep(self._database, self._settings)):
                    self.ring()
            except SQLAlchemyError as error:
                log.warning("could not sweep: %s", error)
            except Exception:
                log.exception("could not sweep")
