"""Writes what the engine measures: in batches, fenced by the attempt, patient while the database is away.

Patience ends with the lease: the child that cannot renew it is gone (worker/lease.py).
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.orm import Session

from clr.range_test import HeldOut, Point, SweepPlan
from store import curves, jobs
from store.database import Database
from store.status import Reason, Status

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")

AWAY = (OperationalError, InterfaceError, InternalError)  # what passes when the database is back
FLUSH_S = 0.5  # a curve seen from outside is at most this old, and so is the sight of a cancel


class Cancelled(Exception):
    """The job was asked to stop."""


class Recorder:
    """The only writer of one attempt. Every method may raise `ClaimLost`; all but `fail`, `Cancelled`."""

    def __init__(self, database: Database, job_id: str, attempt: int) -> None:
        self._database, self._job_id, self._attempt = database, job_id, attempt
        self._rows: dict[str, list[Sequence[float]]] = defaultdict(list)
        self._flushed_at = time.monotonic()
        self._progress: dict[str, Any] = {
            "phase": "preparing",
            "completed": 0,
            "total": None,
            "unit": "steps",
        }

    def finished_sweeps(self) -> list[curves.StoredSweep]:
        """What earlier attempts measured to its end."""

        def look() -> list[curves.StoredSweep]:
            with self._database.read() as session:
                return [sweep for sweep in curves.load(session, self._job_id) if sweep.finished]

        return self._patiently(look)

    def begin(self, plan: SweepPlan, *, completed: int, total: int) -> None:
        """Start a sweep; `completed` of `total` steps are measured already."""
        self._plan = plan
        self._progress |= {"phase": plan.phase, "completed": completed, "total": total}
        self._write(
            lambda session: curves.begin_sweep(
                session, self._job_id, sweep=plan.sweep, seed=plan.seed, plan=asdict(plan)
            )
        )

    def add(self, measured: Point | HeldOut) -> None:
        """Take one measured row; written at the latest `FLUSH_S` later, if more come."""
        if isinstance(measured, Point):
            self._rows["train"].append((measured.step, measured.lr, measured.loss))
            self._progress["completed"] += 1
        else:
            accuracy = float("nan") if measured.accuracy is None else measured.accuracy
            self._rows["held_out"].append((measured.step, measured.lr, measured.loss, accuracy))
        if time.monotonic() - self._flushed_at > FLUSH_S:
            self._flush()

    def finish(self) -> None:
        """End the sweep: its points are complete."""

        def end(session: Session) -> None:
            self._append(session)
            curves.finish_sweep(session, self._job_id, sweep=self._plan.sweep, seed=self._plan.seed)

        self._write(end)
        self._rows.clear()

    def succeed(self, *, outcome: str, result: dict[str, Any]) -> None:
        """End the job with its result."""
        self._progress["total"] = self._progress["completed"]
        self._write(
            lambda session: jobs.succeed(session, self._job_id, self._attempt, outcome=outcome, result=result)
        )

    def fail(self, reason: Reason, message: str, *, max_attempts: int) -> None:
        """End the attempt without a result; a job that was asked to stop is cancelled."""

        def end() -> None:
            with self._database.write() as session:
                jobs.fail(session, self._job_id, self._attempt, reason, message, max_attempts=max_attempts)

        self._patiently(end)

    def _flush(self) -> None:
        self._flushed_at = time.monotonic()
        try:
            self._once(self._append)
        except AWAY as error:
            log.warning("points wait for the database: %s", error)
        else:
            self._rows.clear()

    def _append(self, session: Session) -> None:
        for series, rows in self._rows.items():
            curves.append(
                session,
                self._job_id,
                sweep=self._plan.sweep,
                seed=self._plan.seed,
                series=series,
                rows=rows,
            )

    def _write(self, action: Callable[[Session], None]) -> None:
        self._patiently(lambda: self._once(action))

    def _once(self, action: Callable[[Session], None]) -> None:
        with self._database.write() as session:
            status = jobs.report(session, self._job_id, self._attempt, self._progress)
            action(session)
        if status == Status.CANCELLING:
            raise Cancelled

    def _patiently(self, action: Callable[[], Answer]) -> Answer:
        """Do it once the database answers."""
        while True:
            try:
                return action()
            except AWAY as error:
                log.warning("waiting for the database: %s", error)
                time.sleep(FLUSH_S)
