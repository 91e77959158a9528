"""Every pair of statuses, against both databases."""

import pytest
from sqlalchemy import update

from store import jobs
from store.database import Database
from store.errors import ClaimLost, Conflict, NotFound
from store.models import Job
from store.status import FINAL, MOVES, Status, move
from tests.jobs import queue


def job_in(database: Database, status: Status) -> str:
    job = queue(database)
    with database.write() as session:
        session.execute(update(Job).where(Job.id == job.id).values(status=status, attempt=1))
    return job.id


@pytest.mark.parametrize("to", Status)
@pytest.mark.parametrize("source", Status)
def test_a_move_happens_exactly_when_the_table_allows_it(
    database: Database, source: Status, to: Status
) -> None:
    job_id = job_in(database, source)

    if to in MOVES[source]:
        with database.write() as session:
            assert move(session, job_id, to).status == to
    else:
        with pytest.raises(Conflict), database.write() as session:
            move(session, job_id, to)
        with database.read() as session:
            assert jobs.get(session, job_id).status == source


@pytest.mark.parametrize("to", sorted(FINAL & MOVES[Status.RUNNING]))
def test_a_final_move_ends_the_lease_and_notes_the_time(database: Database, to: Status) -> None:
    job_id = job_in(database, Status.RUNNING)

    with database.write() as session:
        job = move(session, job_id, to)

    assert job.finished_at is not None
    assert job.lease_expires_at is None


def test_a_move_of_an_older_attempt_changes_nothing(database: Database) -> None:
    job_id = job_in(database, Status.RUNNING)

    with pytest.raises(ClaimLost), database.write() as session:
        move(session, job_id, Status.SUCCEEDED, of_attempt=0)

    with database.read() as session:
        assert jobs.get(session, job_id).status == Status.RUNNING


def test_a_move_of_no_job_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound), database.write() as session:
        move(session, "nobody", Status.CANCELLED)
