"""The Celery parent's eye on the processes of its jobs: needs no broker, and works when C code holds the GIL.

A child is killed when its job was cancelled, timed out, stalled, or when it lost its lease; what a dead
child leaves behind is ended here, with the reason that killed it.
"""

import logging
import re
from contextlib import suppress
from threading import Event, Thread
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from store import claims, counters, workers
from store.claims import Held
from store.counters import Kill
from store.database import Database
from store.errors import ClaimLost
from store.settings import Settings
from store.status import Reason
from worker.descendants import is_running, kill
from worker.publisher import Publisher

log = logging.getLogger(__name__)


class Ending(NamedTuple):
    """How an attempt ends that its child did not end; `kill`: why we killed that child, if it was us."""

    reason: Reason
    message: str
    kill: Kill | None = None


def judge(held: Held, settings: Settings) -> Ending | None:
    """Why this attempt must be killed; None if it may go on."""
    if held.cancelling_for_s is not None and held.cancelling_for_s > settings.cancel_grace_s:
        return Ending(Reason.WORKER_LOST, "cancelled", Kill.CANCELLED)
    if held.lease_left_s < 0:
        return Ending(Reason.WORKER_LOST, "the lease ran out", Kill.LEASE_LOST)
    if held.timeout_s is not None and held.running_for_s > held.timeout_s:
        return Ending(Reason.TIMED_OUT, f"not done after timeout_s = {held.timeout_s:g} s", Kill.TIMED_OUT)
    if held.unchanged_for_s > settings.stall_timeout_s:
        return Ending(Reason.STALLED, f"no new step for {settings.stall_timeout_s:g} s", Kill.STALLED)
    return None


def explain_death(message: str) -> Ending:
    """What Celery's report of a lost child means: SIGKILL comes from outside, anything else from the job."""
    if "SIGKILL" in message or re.search(r"signal 9\b", message):
        return Ending(
            Reason.WORKER_LOST, "the worker process was killed (SIGKILL); often the host ran out of memory"
        )
    return Ending(Reason.CRASHED, f"the workload ended its process: {message}")


class Watcher:
    """Watches the children of one worker."""

    def __init__(
        self, database: Database, settings: Settings, *, worker_id: str, publisher: Publisher | None = None
    ) -> None:
        self._database, self._settings, self._worker_id = database, settings, worker_id
        self._publisher = publisher
        self._endings: dict[tuple[str, int], Ending] = {}
        self._stopping = Event()
        self._draining = False
        self._thread = Thread(target=self._keep_watching, name="watcher", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopping.set()
        self._thread.join()

    def watch(self) -> None:
        """Look once at every child, unless the worker is stopping."""
        if self._draining:
            return
        with self._database.read() as session:
            held = claims.held_by(session, self._worker_id)
            zombies = claims.zombies(session, self._worker_id, within_s=2 * self._settings.lease_s)
        self._count(Kill.LEASE_LOST, sum(map(kill, zombies)))
        for attempt in held:
            if attempt.lease_left_s > 0 and not is_running(attempt.pid):
                continue  # its slot reports its death soon, with the signal: see `buried`
            ending = judge(attempt, self._settings)
            if ending is None:
                self._vouch(attempt)
            else:
                self._endings[attempt.job_id, attempt.attempt] = ending
                killed = kill(attempt.pid)
                self._end(attempt, ending)
                self._count(ending.kill, killed)
                del self._endings[attempt.job_id, attempt.attempt]

    def buried(self, ring_id: str, message: str) -> None:
        """A child died while it answered this ring: end what it left, if anything; see `drain`."""
        if self._draining:
            return
        with self._database.read() as session:
            held = claims.held_by(session, self._worker_id, ring_id=ring_id)
        for attempt in held:
            known = self._endings.pop((attempt.job_id, attempt.attempt), None)
            self._end(attempt, known or explain_death(message))

    def drain(self) -> bool:
        """Give every job back and kill its child: the worker is stopping, and calls this until it has ended.

        Answers whether the database could be asked.
        """
        self._draining = True
        try:
            self._give_back()
        except SQLAlchemyError as error:
            log.warning("could not give the jobs back yet: %s", error)
            return False
        return True

    def _give_back(self) -> None:
        with self._database.read() as session:
            held = claims.held_by(session, self._worker_id)
        killed = 0
        for attempt in held:
            with suppress(ClaimLost), self._database.write() as session:
                claims.give_back(session, attempt.job_id, attempt.attempt)
            killed += kill(attempt.pid)
        self._count(Kill.DRAINED, killed)

    def _vouch(self, held: Held) -> None:
        """Renew for a living child that misses its renewals: C code that holds the GIL stops its threads.

        Whether such a child hangs is for `stall_timeout_s` to say, not for the lease.
        """
        if held.lease_left_s < self._settings.lease_s / 2:
            with suppress(ClaimLost), self._database.write() as session:
                claims.renew(session, held.job_id, held.attempt, lease_s=self._settings.lease_s)

    def _count(self, why: Kill | None, killed: int) -> None:
        if killed and why is not None:
            self._database.count(counters.CHILD_KILLS, why, by=killed)

    def _end(self, held: Held, ending: Ending) -> None:
        try:
            with self._database.write() as session:
                became = claims.fail(
                    session,
                    held.job_id,
                    held.attempt,
                    ending.reason,
                    ending.message,
                    max_attempts=self._settings.max_attempts,
                )
        except ClaimLost:
            return  # it had ended by itself, or the reaper was quicker
        ids = {"job_id": held.job_id, "attempt": held.attempt}
        log.warning("%s; the job is now %s", ending.message, became, extra=ids)

    def _keep_watching(self) -> None:
        looks = 0
        while not self._stopping.wait(self._settings.watch_s):
            try:
                self.watch()
                if looks % max(1, int(self._settings.lease_s / 3 / self._settings.watch_s)) == 0:
                    self._be_seen()
                looks += 1
            except SQLAlchemyError as error:
                log.warning("could not watch: %s", error)
            except Exception:
                log.exception("could not watch")  # and goes on: nobody else ends what hangs

    def _be_seen(self) -> None:
        with self._database.write() as session:
            known = workers.seen(session, self._worker_id)
        if self._publisher is not None:
            self._publisher.tend(known=known)
