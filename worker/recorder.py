"""Writes what the engine measures: in batches, fenced by the attempt, patient while the database is away."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.orm import Session

from clr.sweep import HeldOut, Point
from store import ahead, checkpoints, claims, runs
from store.batches import PAUSE_S
from store.checkpoints import NewCheckpoint
from store.database import Database
from store.models import Checkpoint
from store.status import Outcome, Reason, Status
from worker.patience import AWAY, Answer, act_patiently

log = logging.getLogger(__name__)

FLUSH_S = 0.5  # a curve seen from outside is at most this old, and so is the sight of a cancel


class Cancelled(Exception):
    """The job was asked to stop."""


class Recorder:
    """The only writer of one attempt. Every method may raise `ClaimLost`; those that measure, `Cancelled`."""

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

    def stored_runs(self) -> list[runs.StoredRun]:
        """What earlier attempts measured."""
        return self.look(lambda session: runs.load(session, self._job_id))

    def checkpoints(self, job_id: str | None = None) -> list[Checkpoint]:
        """Those of this job, or of another, newest first."""
        return self.look(lambda session: checkpoints.of_job(session, job_id or self._job_id))

    def gone(self, job_ids: Sequence[str]) -> set[str]:
        """Those of the ids that no job has any more."""
        return self.look(lambda session: checkpoints.without_job(session, job_ids))

    def begin(
        self,
        plan: dict[str, Any],
        *,
        phase: str,
        seed: int,
        completed: int,
        total: int,
        sweep: int = 0,
        after_step: int = -1,
    ) -> None:
        """Start a curve, or go on with it after the last step that is kept.

        `completed` of `total` steps of the job are measured already.
        """
        self._of_sweep = {"sweep": sweep, "seed": seed}
        self._progress |= {"phase": phase, "completed": completed, "total": total}

        def has_begun(session: Session) -> bool:
            if runs.drop_some(session, self._job_id, **self._of_sweep, after_step=after_step):
                return False
            runs.begin_run(session, self._job_id, **self._of_sweep, plan=plan, after_step=after_step)
            return True

        while not self.write(has_begun):
            time.sleep(PAUSE_S)

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
            runs.finish_run(session, self._job_id, **self._of_sweep)

        self.write(end)
        self._rows.clear()

    def fix(self, config: dict[str, Any]) -> None:
        """Make this the job's config, so that every attempt and every slot has the same."""
        self.write(lambda session: claims.fix(session, self._job_id, self._attempt, config))

    def tell(self, phase: str, *, completed: int) -> None:
        """Say how far the job is while another slot measures for it; at most every `FLUSH_S`."""
        self._progress |= {"phase": phase, "completed": completed}
        if time.monotonic() - self._flushed_at > FLUSH_S:
            self._flush()

    def take_over(self, sweep_id: str, plan: dict[str, Any], *, completed: int) -> runs.StoredRun:
        """Make a sweep that was measured ahead a finished run of this job. completed: steps measured with it."""
        self._progress |= {"phase": plan["phase"], "completed": completed}
        of_sweep = {"sweep": plan["sweep"], "seed": plan["seed"]}
        self.write(lambda session: ahead.take_over(session, sweep_id, self._job_id, **of_sweep, plan=plan))
        return next(run for run in self.stored_runs() if {"sweep": run.sweep, "seed": run.seed} == of_sweep)

    def publish(self, checkpoint: NewCheckpoint) -> list[str]:
        """Make a checkpoint known, with every point up to its step; answers the paths that nothing needs now."""
        dropped: list[str] = []

        def write(session: Session) -> None:
            self._append(session)
            dropped[:] = checkpoints.publish(session, self._job_id, self._attempt, checkpoint)

        self.write(write)
        self._rows.clear()
        return dropped

    def succeed(self, *, outcome: Outcome, result: dict[str, Any]) -> None:
        """End the job with its result; a cancel that comes as late as this has come too late."""
        self._progress["total"] = self._progress["completed"]

        def end() -> None:
            with self._database.write() as session:
                claims.report(session, self._job_id, self._attempt, self._progress)
                claims.succeed(session, self._job_id, self._attempt, outcome=outcome, result=result)

        act_patiently(end)

    def stop(self) -> None:
        """End the job as cancelled, which was asked for."""

        def end() -> None:
            with self._database.write() as session:
                claims.give_back(session, self._job_id, self._attempt)

        act_patiently(end)

    def fail(self, reason: Reason, message: str, *, max_attempts: int) -> None:
        """End the attempt without a result; a job that was asked to stop is cancelled."""

        def end() -> None:
            with self._database.write() as session:
                claims.fail(session, self._job_id, self._attempt, reason, message, max_attempts=max_attempts)

        act_patiently(end)

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
            runs.append(
                session,
                self._job_id,
                **self._of_sweep,
                series=series,
                rows=rows,
            )

    def look(self, query: Callable[[Session], Answer]) -> Answer:
        """What a query finds, once the database answers."""

        def ask() -> Answer:
            with self._database.read() as session:
                return query(session)

        return act_patiently(ask)

    def write(self, action: Callable[[Session], Answer]) -> Answer:
        """Do it in a transaction that this attempt may still make, once the database answers."""
        return act_patiently(lambda: self._once(action))

    def _once(self, action: Callable[[Session], Answer]) -> Answer:
        with self._database.write() as session:
            status = claims.report(session, self._job_id, self._attempt, self._progress)
            answer = action(session)
        if status == Status.CANCELLING:
            raise Cancelled
        return answer
