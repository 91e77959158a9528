"""The lease of a running attempt, renewed by one thread of the child that holds it and guarded by another.

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

from store import claims, counters
from store.database import Database
from store.errors import ClaimLost
from worker.descendants import kill_descendants

log = logging.getLogger(__name__)

JOIN_S = 1.0  # a renewal that hangs is not waited for: the job has ended


class Lease:
    """Holds a job while the `with` block runs."""

    def __init__(self, database: Database, job_id: str, attempt: int, *, lease_s: float) -> None:
        self._database, self._job_id, self._attempt = database, job_id, attempt
        self._lease_s = lease_s
        self._released = Event()
        self._threads = [
            Thread(target=work, name=f"lease-{job_id}", daemon=True) for work in (self._keep, self._guard)
        ]

    def __enter__(self) -> "Lease":
        self._deadline = time.monotonic() + self._lease_s
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        for thread in self._threads:
            thread.join(JOIN_S)

    def _keep(self) -> None:
        while not self._released.wait(self._lease_s / 3):
            asked_at = time.monotonic()
            try:
                with self._database.write() as session:
                    claims.renew(session, self._job_id, self._attempt, lease_s=self._lease_s)
                self._deadline = asked_at + self._lease_s
            except ClaimLost:
                if not self._released.is_set():
                    self._database.count(counters.FENCED_WRITES)
                    self._die("the lease was lost")
            except SQLAlchemyError as error:
                log.warning("could not renew the lease: %s", error)

    def _guard(self) -> None:
        """Watch the clock beside a renewal that may never return: a connection can fall silent."""
        while not self._released.wait(max(0.0, self._deadline - time.monotonic())):
            if time.monotonic() >= self._deadline:
                self._die("the lease could not be renewed in time")

    def _die(self, why: str) -> None:
        log.error("%s; stopping at once", why)
        kill_descendants(os.getpid())
        os.kill(os.getpid(), signal.SIGKILL)
