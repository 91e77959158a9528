"""What happened is counted once, for good, and without being in the way."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from store import claims, counters, gauges, jobs, losses
from store.database import COUNT_S, Database
from store.errors import ClaimLost
from store.settings import Settings
from store.status import Reason
from tests.jobs import queue
from tests.machine import patience
from tests.store.test_jobs import LEASE_S, age, claim, published


def counted(database: Database) -> dict[str, dict[str, float]]:
    with database.read() as session:
        return dict(counters.read(session))


def lose(database: Database, job_id: str, attempt: int = 1) -> None:
    with database.write() as session:
        claims.fail(session, job_id, attempt, Reason.WORKER_LOST, "gone", max_attempts=3)


def test_an_attempt_is_counted_by_how_it_ended(database: Database) -> None:
    for _ in range(4):
        queue(database)
    done, failed, returned, stopped = [claim(database) for _ in range(4)]

    with database.write() as session:
        claims.succeed(session, done.id, 1, outcome="bounds_found", result={})
        claims.fail(session, failed.id, 1, Reason.OUT_OF_MEMORY, "too big", max_attempts=3)
        claims.give_back(session, returned.id, 1)
        jobs.request_cancel(session, stopped.id)
        claims.fail(session, stopped.id, 1, Reason.CRASHED, "", max_attempts=3)

    assert counted(database)[counters.ATTEMPTS] == {
        "succeeded": 1,
        "out_of_memory": 1,
        "given_back": 1,
        "cancelled": 1,
    }


def test_a_count_outlives_its_job(database: Database) -> None:
    queue(database)
    job = claim(database)
    with database.write() as session:
        claims.succeed(session, job.id, 1, outcome="bounds_found", result={})
    before = counted(database)

    with database.write() as session:
        jobs.remove(session, job.id)

    after = counted(database)
    assert before.pop(counters.ENDED_JOBS) == {"succeeded": 1}
    assert after.pop(counters.ENDED_JOBS) == {"succeeded": 0}
    assert before == after


def test_a_claim_is_counted_by_how_long_its_job_was_queued(database: Database) -> None:
    age(database, queue(database).id, created_at=20)

    claim(database)

    assert counted(database)[counters.CLAIM_LATENCY] == {"30.0": 1}
    assert counted(database)[counters.CLAIM_LATENCY_SUM][""] == pytest.approx(20, abs=2)


def test_a_job_that_was_given_back_is_queued_from_then_on(database: Database) -> None:
    job = queue(database)
    age(database, job.id, created_at=20)
    claim(database)
    with database.write() as session:
        claims.give_back(session, job.id, 1)

    claim(database)

    assert counted(database)[counters.CLAIM_LATENCY_SUM][""] == pytest.approx(20, abs=2)
    assert sum(counted(database)[counters.CLAIM_LATENCY].values()) == 2


def test_a_ring_that_finds_no_job_counts_nothing(database: Database) -> None:
    assert claim(database) is None

    assert counted(database) == {}


def test_a_lease_that_ran_out_is_a_loss_once_however_many_sweep(
    database: Database, settings: Settings
) -> None:
    job = queue(database)
    claim(database)
    age(database, job.id, lease_expires_at=LEASE_S + 1)

    for _ in range(3):
        losses.end_expired(database, settings)

    assert counted(database)[counters.LEASE_LOSSES] == {"": 1}
    assert counted(database)[counters.ATTEMPTS] == {"worker_lost": 1}


def test_a_worker_killed_within_its_lease_lost_no_lease(database: Database) -> None:
    job = queue(database)
    claim(database)

    lose(database, job.id)

    assert counters.LEASE_LOSSES not in counted(database)


def test_what_is_rolled_back_is_not_counted(database: Database) -> None:
    job = queue(database)
    claim(database)

    def end_twice() -> None:
        with database.write() as session:
            for _ in range(2):
                claims.succeed(session, job.id, 1, outcome="bounds_found", result={})

    with pytest.raises(ClaimLost):
        end_twice()
    with pytest.raises(ClaimLost):
        lose(database, job.id, attempt=7)

    assert counters.ATTEMPTS not in counted(database)


def test_transactions_that_count_the_same_never_block_each_other_for_good(database: Database) -> None:
    def count(number: int) -> None:
        with database.write() as session:
            for label in ("a", "b") if number % 2 else ("b", "a"):
                counters.add(session, "raced", label)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(80)))

    assert counted(database)["raced"] == {"a": 80, "b": 80}


def test_counting_gives_up_when_others_hold_the_row(database: Database) -> None:
    database.count("held")

    with database.write() as session:
        counters.add(session, "held")
        counters.write(session)
        started_at = time.monotonic()
        database.count("held")
        waited_s = time.monotonic() - started_at

    for thread in threading.enumerate():
        if thread.name == "counting":
            thread.join()
    assert COUNT_S <= waited_s < patience(COUNT_S)
    assert counted(database)["held"] == {"": 3}


def test_counting_gives_up_when_there_is_no_database() -> None:
    started_at = time.monotonic()

    Database("postgresql+psycopg://nobody@127.0.0.1:9/nothing").count("lost")

    assert time.monotonic() - started_at < patience(COUNT_S)


def test_the_gauges_tell_jobs_by_status_the_oldest_queued_one_and_the_living_workers(
    database: Database,
) -> None:
    published(database, "w")
    age(database, queue(database).id, created_at=30)
    claim(database)
    age(database, queue(database).id, created_at=20)
    queue(database)

    with database.read() as session:
        found = gauges.read(session, worker_seen_within_s=30)
        late = gauges.read(session, worker_seen_within_s=-1)

    running = {status: number for status, number in found.jobs.items() if number}
    assert running == {"queued": 2, "running": 1}
    assert set(found.jobs) >= {"queued", "running", "cancelling", "succeeded", "failed", "cancelled"}
    assert found.oldest_queued_age_s == pytest.approx(20, abs=2)
    assert (found.workers, late.workers) == (1, 0)


def test_an_empty_queue_has_no_age(database: Database) -> None:
    with database.read() as session:
        assert gauges.read(session, worker_seen_within_s=30).oldest_queued_age_s == 0
