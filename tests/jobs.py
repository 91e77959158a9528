"""Jobs as tests have them queued."""

from typing import Any

from store import jobs
from store.database import Database
from store.jobs import NewJob
from store.models import Job


def queue(database: Database, **fields: Any) -> Job:
    """A range test of a workload `w`, unless the fields of `NewJob` say otherwise."""
    new = NewJob(**{"kind": "range_test", "workload": "w", "config": {}} | fields)
    with database.write() as session:
        return jobs.create(session, new)[0]
