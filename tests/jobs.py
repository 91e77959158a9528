"""Jobs as tests have them queued."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from store import comparisons, jobs
from store.comparisons import NewComparison
from store.database import Database, now
from store.jobs import NewJob
from store.models import Job
from store.status import Kind


def queue(database: Database, **fields: Any) -> Job:
    """A range test of a workload `w`, unless the fields of `NewJob` say otherwise; older than whatever comes next."""
    new = NewJob(**{"kind": "range_test", "workload": "w", "config": {}} | fields)
    with database.write() as session:
        job = jobs.create(session, new)[0]
    while _clock(database) <= job.created_at:  # SQLite's counts in milliseconds
        pass
    return job


def compare(database: Database, *, trainings: int, seeds: int = 1, tags: Sequence[str] = ()) -> str:
    """The id of a comparison, all its jobs still to be queued by `chores.finish`: a range test, if it has more than one
    training, which all of them wait for."""
    new = NewComparison(workload="w", config={"entries": [], "target": None}, tags=tags, jobs=[])
    about: dict[str, Any] = {"workload": "w", "comparison_id": new.id, "tags": tags}
    test = NewJob(kind=Kind.RANGE_TEST, config={"seed": 0}, **about)
    jobs_of = [
        NewJob(
            kind=Kind.TRAINING_JOB, config={"seed": 0}, after_job=test.id if trainings > 1 else None, **about
        )
        for _ in range(trainings)
    ]
    members = [test, *jobs_of] if trainings > 1 else jobs_of
    with database.write() as session:
        comparisons.create(session, replace(new, jobs=members, seeds=range(1, seeds)))
    return new.id


def _clock(database: Database) -> float:
    with database.read() as session:
        return session.scalar(select(now())) or 0.0
