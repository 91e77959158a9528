"""How many jobs there are of each status, whatever became of them."""

from collections import Counter
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import event, select

from store import chores, claims, comparisons, gauges, jobs
from store.database import Database
from store.jobs import NewJob
from store.models import Job
from store.status import Priority, Reason, Status
from tests.jobs import compare, queue


def claim(database: Database) -> None:
    with database.write() as session:
        assert claims.claim(session, workloads=["w"], worker_id="w", ring_id="r", pid=1, lease_s=30)


def count(database: Database) -> dict[str, int]:
    with database.read() as session:
        return gauges.read(session, worker_seen_within_s=1).jobs


def test_the_counts_are_those_of_the_rows(database: Database) -> None:
    succeeded, failed, cancelled, cancelling, lost, running = (queue(database).id for _ in range(6))
    for _ in range(6):
        claim(database)
    queue(database)
    with database.write() as session:
        claims.succeed(session, succeeded, 1, outcome="inconclusive", result={})
        claims.fail(session, failed, 1, Reason.CRASHED, "", max_attempts=3)
        claims.fail(session, lost, 1, Reason.WORKER_LOST, "", max_attempts=3)
        jobs.request_cancel(session, cancelled)
        claims.give_back(session, cancelled, 1)
        jobs.request_cancel(session, cancelling)

    with database.read() as session:
        rows = Counter(session.scalars(select(Job.status)))
    assert count(database) == {status: rows[status] for status in Status}
    assert rows[Status.RUNNING] == 1, running


def test_sweeps_that_nobody_asked_for_are_not_counted(database: Database) -> None:
    with database.write() as session:
        new = NewJob(kind="sweep", workload="w", config={}, priority=Priority.IDLE)
        jobs.create_all(session, [new, replace(new, id=str(uuid4()))])
        jobs.create_all(session, [replace(new, id=str(uuid4()))])
    queued = count(database)
    claim(database)
    claim(database)
    with database.write() as session:
        ended, *_ = claims.active(session)
        claims.succeed(session, ended.id, 1, outcome="measured", result={})

    assert (sum(queued.values()), sum(count(database).values())) == (0, 0)


def test_a_deleted_job_is_counted_no_more(database: Database) -> None:
    job_id = queue(database).id
    with database.write() as session:
        jobs.request_cancel(session, job_id)
    before = count(database)
    with database.write() as session:
        jobs.remove(session, job_id)

    assert (before["cancelled"], count(database)["cancelled"]) == (1, 0)


def test_the_jobs_of_a_deleted_comparison_are_counted_no_more(database: Database) -> None:
    comparison_id = compare(database, trainings=1, seeds=3)
    with database.write() as session:
        comparisons.request_cancel(session, comparison_id)
    chores.finish(database, comparison_id)
    before = count(database)
    with database.write() as session:
        comparisons.remove(session, comparison_id)
    chores.finish(database, comparison_id)

    assert (before["cancelled"], count(database)["cancelled"]) == (3, 0)


def test_the_counts_pass_over_no_job_that_ended(database: Database) -> None:
    with database.read() as session:
        if session.get_bind().dialect.name != "sqlite":
            pytest.skip("Postgres plans by what it knows of the rows")
        said: list[str] = []
        event.listen(session.get_bind(), "before_cursor_execute", lambda *of: said.append(of[2]))
        gauges.read(session, worker_seen_within_s=1)
        plans = [
            session.connection()
            .exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (0,) * statement.count("?"))
            .all()
            for statement in list(said)
            if "FROM jobs" in statement
        ]

    steps = [step[3] for plan in plans for step in plan if "jobs" in step[3]]
    assert len(steps) >= 2
    assert all("jobs_by_priority" in step or "jobs_leased" in step for step in steps), steps
