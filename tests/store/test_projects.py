"""Projects share the slots alike, whatever each has queued; with one project the order is that of its jobs."""

import pytest

from store import claims
from store.callers import Caller, Scope
from store.database import Database
from store.models import Job, Project
from store.status import Priority, Reason
from tests.jobs import queue


@pytest.fixture
def vision(database: Database) -> Database:
    """The database as a caller of the project `vision` may see it."""
    with database.write() as session:
        session.add(Project(name="vision", claims=0))
    return database.within(Caller(key_id="k", project="vision", scope=Scope.SUBMIT))


def claim(database: Database) -> Job | None:
    with database.write() as session:
        return claims.claim(session, workloads=["w"], worker_id="w", ring_id="r", pid=1, lease_s=60)


def claim_all(database: Database, *, end: bool) -> list[str]:
    """The projects of the jobs in the order in which slots take them; end: each before the next is taken."""
    taken = []
    while (job := claim(database)) is not None:
        taken.append(job.project)
        if end:
            with database.write() as session:
                claims.fail(session, job.id, job.attempt, Reason.CRASHED, "", max_attempts=1)
    return taken


@pytest.mark.parametrize("end", [True, False])
def test_a_project_with_a_thousand_jobs_holds_no_other_up(
    database: Database, vision: Database, end: bool
) -> None:
    for _ in range(5):
        queue(database)
    queue(vision, priority=Priority.LOW)
    queue(vision)

    order = claim_all(database, end=end)

    assert order[:4] == ["default", "vision", "default", "vision"]
    assert order[4:] == ["default"] * 3


def test_the_project_that_runs_least_is_next(database: Database, vision: Database) -> None:
    running = [queue(database) for _ in range(2)]
    assert [job.project for job in (claim(database), claim(database)) if job] == ["default"] * 2
    queue(database)
    first, second = queue(vision), queue(vision)

    taken = [job.id for job in (claim(database), claim(database)) if job]

    assert running
    assert taken == [first.id, second.id]


def test_a_project_that_cannot_use_its_turn_gives_it_on(database: Database, vision: Database) -> None:
    queue(database, workload="another")
    mine = queue(vision)

    job = claim(database)

    assert job is not None
    assert job.id == mine.id


def test_what_is_measured_ahead_waits_for_the_jobs_of_every_project(
    database: Database, vision: Database
) -> None:
    ahead = queue(database, priority=Priority.IDLE)
    asked = queue(vision)

    assert [job.id for job in (claim(database), claim(database)) if job] == [asked.id, ahead.id]


def test_priorities_are_a_project_s_own_matter(database: Database, vision: Database) -> None:
    for _ in range(2):
        queue(database, priority=Priority.HIGH)
    low = queue(vision, priority=Priority.LOW)

    claim(database)
    second = claim(database)

    assert second is not None
    assert second.id == low.id
