"""A service that finds itself alone with its database."""

import pytest

from store import claims, client_runs, jobs, workers, workloads
from store.database import Database
from store.errors import ClaimLost
from store.losses import end_expired, take_over
from store.settings import Settings
from store.status import Reason, Status
from tests.jobs import queue
from tests.store.test_workers import worker
from tests.store.test_workloads import workload


def claimed(database: Database) -> str:
    """A job that a worker holds for long."""
    job = queue(database)
    claim(database)
    return job.id


def claim(database: Database) -> None:
    with database.write() as session:
        assert claims.claim(session, workloads=["w"], worker_id="dead", ring_id="r", pid=1, lease_s=600)


def status(database: Database, job_id: str) -> str:
    with database.read() as session:
        return jobs.get(session, job_id).status


def test_what_a_killed_service_ran_is_queued_again_at_once(database: Database, settings: Settings) -> None:
    job_id = claimed(database)

    assert take_over(database, settings, installation="here") == 1
    assert take_over(database, settings, installation="here") == 0

    assert status(database, job_id) == Status.QUEUED
    with pytest.raises(ClaimLost), database.write() as session:
        claims.report(session, job_id, 1, {"completed": 7})


def test_what_was_to_stop_is_cancelled(database: Database, settings: Settings) -> None:
    job_id = claimed(database)
    with database.write() as session:
        jobs.request_cancel(session, job_id)

    take_over(database, settings, installation="here")

    assert status(database, job_id) == Status.CANCELLED


def test_a_job_that_kills_the_service_each_time_fails_in_the_end(
    database: Database, settings: Settings
) -> None:
    job_id = claimed(database)
    for _ in range(settings.max_attempts - 1):
        take_over(database, settings, installation="here")
        claim(database)

    take_over(database, settings, installation="here")

    with database.read() as session:
        job = jobs.get(session, job_id)
    assert (job.status, job.reason) == (Status.FAILED, Reason.WORKER_LOST)


@pytest.mark.parametrize(("published", "left"), [("here", ["x"]), ("another", []), (None, [])])
def test_a_catalogue_stays_where_nothing_was_installed_since(
    published: str | None, left: list[str], database: Database, settings: Settings
) -> None:
    with database.write() as session:
        workloads.publish(session, [workload("x")], installation=published)
        workers.publish(session, worker("a"), ["x"])

    take_over(database, settings, installation="here")

    with database.read() as session:
        assert [row.name for row in workloads.find_all(session)] == left
        assert workers.living(session) == []


def test_a_job_whose_caller_is_silent_for_long_is_cancelled_as_abandoned(
    database: Database, settings: Settings
) -> None:
    job = queue(database, driver="client")
    with database.write() as session:
        client_runs.begin(session, jobs.get(session, job.id))
    soon = settings.model_copy(update={"client_idle_days": 1e-9})

    end_expired(database, settings)
    assert status(database, job.id) == Status.RUNNING
    end_expired(database, soon)

    with database.read() as session:
        ended = jobs.get(session, job.id)
    assert (ended.status, ended.reason) == (Status.CANCELLED, Reason.ABANDONED)
