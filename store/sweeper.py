"""What keeps jobs moving when something was lost; runs in every API process and every Celery parent.

Two threads, as a stopped broker may hold a ring for long while leases must still be looked after.
"""

import logging
from threading import Event, Thread

from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy.exc import SQLAlchemyError

from store import jobs, workers
from store.database import Database
from store.doorbell import Doorbell
from store.errors import ClaimLost
from store.settings import Settings
from store.status import Reason

log = logging.getLogger(__name__)


def sweep(database: Database, settings: Settings) -> int:
    """Queue again, fail or cancel the jobs whose lease ran out; answers how many. Idempotent."""
    with database.write() as session:
        lost = jobs.expired(session)
        for job in lost:
            try:
                became = jobs.fail(
                    session,
                    job.id,
                    job.attempt,
                    Reason.WORKER_LOST,
                    f"the worker was lost {job.attempt} times, the last time without a word",
                    max_attempts=settings.max_attempts,
                )
            except ClaimLost:
                continue
            log.warning("job %s: attempt %s lost its lease; now %s", job.id, job.attempt, became)
        workers.forget(session, unseen_for_s=10 * settings.lease_s)
    return len(lost)


class Sweeper:
    """Sweeps every `sweep_s`, and rings whenever asked or whenever a queued job has no ring."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings
        self._doorbell = Doorbell(settings.broker_url)
        self._asked, self._stopping = Event(), Event()
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
        self._asked.set()
        for thread in self._threads:
            thread.join(timeout_s)

    def ring(self) -> None:
        """Have the workers rung soon, without waiting for the broker."""
        self._asked.set()

    def _keep_ringing(self) -> None:
        while not self._stopping.is_set():
            self._asked.wait(self._settings.sweep_s)
            self._asked.clear()
            try:
                with self._database.read() as session:
                    queued = jobs.claimable(session)
                self._doorbell.top_up(queued)
            except (BrokerError, SQLAlchemyError) as error:
                log.warning("could not ring: %s", error)

    def _keep_sweeping(self) -> None:
        while not self._stopping.wait(self._settings.sweep_s):
            try:
                sweep(self._database, self._settings)
            except SQLAlchemyError as error:
                log.warning("could not sweep: %s", error)
