"""The lease of a running attempt, renewed by a thread of the child that holds it.

A child that lost its lease, or could not renew it in time by its own clock, must not write again: it kills
itself with SIGKILL, which nothing in the workload can catch or outlive.
"""

import logging
import os
import signal
import time
from threading import Event, Thread
from types import TracebackType

from sqlalchemy.exc import SQLAlchemyError

from store import counters, jobs
from store.database import Database
from store.errors import ClaimLost

log = logging.getLogger(__name__)


class Lease:
    """Holds a job while the `with` block runs."""

    def __init__(self, database: Database, job_id: str, attempt: int, *, lease_s: float) -> None:
        self._database, self._job_id, self._attempt = database, job_id, attempt
        self._lease_s = lease_s
        self._released = Event()
        self._thread = Thread(target=self._keep, name=f"lease-{job_id}", daemon=True)

    def __enter__(self) -> "Lease":
        self._deadline = time.monotonic() + self._lease_s
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._released.wait(self._lease_s / 3):
            asked_at = time.monotonic()
            try:
                with self._database.write() as session:
                    jobs.renew(session, self._job_id, self._attempt, lease_s=self._lease_s)
                self._deadline = asked_at + self._lease_s
            except ClaimLost:
                if not self._released.is_set():
                    self._database.count(counters.FENCED_WRITES)
                    self._die("the lease was lost")
            except SQLAlchemyError as error:
                log.warning("could not renew the lease: %s", error)
            if time.monotonic() > self._deadline:
                self._die("the lease could not be renewed in time")

    def _die(self, why: str) -> None:
        log.error("%s; stopping at once", why)
        os.kill(os.getpid(), signal.SIGKILL)
