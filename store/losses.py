"""What is done about workers that were lost: their jobs are queued again, failed or cancelled. Idempotent."""

import logging
from collections.abc import Iterable

from sqlalchemy.orm import Session

from store import claims, client_runs, workers, workloads
from store.database import Database
from store.errors import ClaimLost
from store.models import Job
from store.settings import Settings
from store.status import Reason

log = logging.getLogger(__name__)

DAY_S = 86_400


def end_expired(database: Database, settings: Settings) -> int:
    """End the attempts whose lease ran out, and the jobs that their callers abandoned; answers how many attempts.

    A first look costs no write lock, as there is nothing to end nearly always.
    """
    idle_s, unseen_for_s = DAY_S * settings.client_idle_days, 10 * settings.lease_s
    with database.read() as session:
        if not (
            client_runs.list_abandoned(session, idle_s=idle_s)
            or claims.expired(session)
            or workers.are_unseen(session, for_s=unseen_for_s)
        ):
            return 0
    with database.write() as session:
        for job_id in client_runs.end_abandoned(session, idle_s=idle_s):
            log.warning("abandoned by its caller", extra={"job_id": job_id})
        lost = claims.expired(session)
        _let_go(session, lost, settings, "the lease was lost")
        workers.forget(session, unseen_for_s=unseen_for_s)
    return len(lost)


def take_over(database: Database, settings: Settings, *, installation: str) -> int:
    """End every attempt at once, and forget the workers: for a service that knows itself alone with its database.

    What an attempt's process should still write is refused, as ever. A job that kills the whole service has its
    attempts counted like any other that kills its worker. Workloads that another installation published are
    withdrawn until this one has published its own. Answers how many attempts.
    """
    with database.write() as session:
        lost = claims.active(session)
        _let_go(session, lost, settings, "the service was killed while it ran")
        workers.forget_all(session)
        workloads.withdraw_others(session, installation=installation)
    return len(lost)


def _let_go(session: Session, lost: Iterable[Job], settings: Settings, why: str) -> None:
    for job in lost:
        try:
            became = claims.fail(
                session,
                job.id,
                job.attempt,
                Reason.WORKER_LOST,
                "the worker was lost without a word, the last of too many times",
                max_attempts=settings.max_attempts,
            )
        except ClaimLost:
            continue
        log.warning("%s; the job is now %s", why, became, extra={"job_id": job.id, "attempt": job.attempt})
