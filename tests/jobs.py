"""Jobs as tests have them queued."""

from typing import Any

from sqlalchemy import select

from store import jobs
from store.database import Database, now
from store.jobs import NewJob
from store.models import Job


def queue(database: Database, **fields: Any) -> Job:
    """A range test of a workload `w`, unless the fields of `NewJob` say otherwise; older than whatever comes next."""
    new = NewJob(**{"kind": "range_test", "workload": "w", "config": {}} | fields)
    with database.write() as session:
        job = jobs.create(session, new)[0]
    while _clock(database) <= job.created_at:  # SQLite's counts in milliseconds
        pass
    return job


def _clock(database: Database) -> float:
    with database.read() as session:
        return session.scalar(select(now())) or 0.0
