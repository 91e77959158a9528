"""The queue's rules, on SQLite and on Postgres."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from store import claims, jobs
from store.database import Database, now
from store.errors import ClaimLost, Conflict, KeyReused, NotFound
from store.jobs import NewJob
from store.models import Attempt, Job, Worker
from store.status import Priority, Reason, Status
from tests.jobs import queue

LEASE_S = 30.0


def claim(database: Database, *workloads: str, worker_id: str = "worker") -> Job | None:
    with database.write() as session:
        return claims.claim(
            session,
            workloads=workloads or ("w",),
            worker_id=worker_id,
            ring_id="ring",
            pid=os.getpid(),
            lease_s=LEASE_S,
        )


def age(database: Database, job_id: str, **columns: float) -> None:
    """Move some of a job's times into the past, by seconds."""
    with database.write() as session:
        values = {name: getattr(Job, name) - seconds for name, seconds in columns.items()}
        session.execute(update(Job).where(Job.id == job_id).values(**values))


def status(database: Database, job_id: str) -> str:
    with database.read() as session:
        return jobs.get(session, job_id).status


def ends(database: Database, job_id: str) -> list[str | None]:
    with database.read() as session:
        query = select(Attempt.ended).where(Attempt.job_id == job_id).order_by(Attempt.attempt)
        return list(session.scalars(query))


def test_the_oldest_job_is_claimed_first(database: Database) -> None:
    first, second = queue(database), queue(database)

    claimed = [claim(database), claim(database), claim(database)]

    assert [job and job.id for job in claimed] == [first.id, second.id, None]


def compare(database: Database, number: int, **overrides: Any) -> list[str]:
    """Queue the jobs of a comparison; their ids in the order they were made."""
    new = {"kind": "training_job", "workload": "w", "config": {}, "comparison_id": str(uuid4())} | overrides
    made = [NewJob(**new) for _ in range(number)]
    with database.write() as session:
        jobs.create_all(session, made)
    return [job.id for job in made]


def claim_ids(database: Database, number: int) -> list[str]:
    claimed = [claim(database) for _ in range(number)]
    return [job.id for job in claimed if job is not None]


def test_a_single_job_is_claimed_before_the_rest_of_a_comparison_of_600(database: Database) -> None:
    first, second, *_ = compare(database, 600)
    begun = claim_ids(database, 1)
    single = queue(database).id

    assert (begun, claim_ids(database, 2)) == ([first], [single, second])


def test_an_urgent_job_is_claimed_before_an_older_one(database: Database) -> None:
    low, normal, high = (
        queue(database, priority=priority).id for priority in (Priority.LOW, Priority.NORMAL, Priority.HIGH)
    )

    assert claim_ids(database, 3) == [high, normal, low]


def test_a_comparison_of_high_priority_is_claimed_before_a_single_job(database: Database) -> None:
    single = queue(database).id
    urgent = compare(database, 2, priority=Priority.HIGH)

    assert claim_ids(database, 3) == [*urgent, single]


def test_jobs_of_one_priority_are_claimed_by_age(database: Database) -> None:
    made = [queue(database, priority=Priority.LOW).id for _ in range(5)]

    assert claim_ids(database, 5) == made


def test_comparisons_take_turns_from_where_the_older_one_is(database: Database) -> None:
    older = compare(database, 6)
    begun = claim_ids(database, 2)
    newer = compare(database, 2)

    assert begun == older[:2]
    assert claim_ids(database, 6) == [older[2], newer[0], older[3], newer[1], older[4], older[5]]


def test_a_stream_of_single_jobs_holds_up_no_comparison_for_ever(database: Database) -> None:
    compared = compare(database, 3)
    claimed: list[str] = []
    for _ in range(30):
        queue(database)
        claimed += claim_ids(database, 1)

    assert [job_id for job_id in claimed if job_id in compared] == compared


def test_a_job_that_its_worker_gave_back_is_claimed_next(database: Database) -> None:
    compared = compare(database, 3)
    claim_ids(database, 2)
    with database.write() as session:
        claims.give_back(session, compared[1], 1)
    queue(database)

    assert claim_ids(database, 1) == [compared[1]]


def test_a_worker_claims_only_workloads_it_has(database: Database) -> None:
    queue(database, workload="theirs")
    ours = queue(database, workload="ours")

    claimed = claim(database, "ours")

    assert claimed is not None
    assert claimed.id == ours.id
    assert claim(database, "ours") is None


def test_a_claim_counts_the_attempt_and_takes_a_lease(database: Database) -> None:
    queue(database)

    job = claim(database)

    assert job is not None
    assert (job.status, job.attempt) == (Status.RUNNING, 1)
    assert job.lease_expires_at is not None
    assert job.started_at is not None
    assert job.lease_expires_at - job.started_at == pytest.approx(LEASE_S, abs=1.0)


def test_no_job_is_claimed_twice_by_racing_workers(database: Database) -> None:
    made = {queue(database).id for _ in range(20)}

    with ThreadPoolExecutor(8) as pool:
        claimed = [job.id for job in pool.map(lambda _: claim(database), range(40)) if job is not None]

    assert sorted(claimed) == sorted(made)


def test_one_key_and_one_body_make_one_job(database: Database) -> None:
    key = {"idempotency_key": "k", "request_hash": "h"}

    first, again = queue(database, **key), queue(database, **key)

    assert first.id == again.id


def test_racing_creates_with_one_key_make_one_job(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: queue(database, idempotency_key="k", request_hash="h").id, range(16)))

    assert len(set(made)) == 1


def test_one_key_with_another_body_is_refused(database: Database) -> None:
    queue(database, idempotency_key="k", request_hash="h")

    with pytest.raises(KeyReused):
        queue(database, idempotency_key="k", request_hash="other")


def test_jobs_without_a_key_never_collide(database: Database) -> None:
    assert queue(database).id != queue(database).id


def test_the_list_is_newest_first_and_pages_by_key(database: Database) -> None:
    made = [queue(database).id for _ in range(5)]

    with database.read() as session:
        first = jobs.find(session, limit=2)
        rest = jobs.find(session, limit=9, after=(first[-1].created_at, first[-1].id))

    listed = [job.id for job in first + rest]
    assert sorted(listed) == sorted(made)
    assert [job.created_at for job in first + rest] == sorted(
        (job.created_at for job in first + rest), reverse=True
    )


def test_a_tag_that_is_given_twice_is_listed_once(database: Database) -> None:
    job = queue(database, tags=["night", "night"])

    with database.read() as session:
        assert [found.id for found in jobs.find(session, limit=9, tag="night")] == [job.id]


def test_the_list_of_all_kinds_is_newest_first_and_pages_by_key(database: Database) -> None:
    made = [queue(database, kind=kind, tags=["t"]).id for kind in ("range_test", "training_job") * 3]

    with database.read() as session:
        first = jobs.find(session, limit=4, tag="t")
        rest = jobs.find(session, limit=9, tag="t", after=(first[-1].created_at, first[-1].id))
    assert [job.id for job in first + rest] == made[::-1]


def test_the_list_filters_by_tag_workload_and_status(database: Database) -> None:
    wanted = queue(database, tags=["night", "ci"], workload="ours")
    queue(database, tags=["nightly"], workload="ours")
    queue(database, tags=["night"], workload="theirs")

    with database.read() as session:
        found = jobs.find(session, limit=9, tag="night", workload="ours", status=Status.QUEUED)

    assert [job.id for job in found] == [wanted.id]


def test_a_queued_job_is_cancelled_at_once(database: Database) -> None:
    job = queue(database)

    with database.write() as session:
        assert jobs.request_cancel(session, job.id).status == Status.CANCELLED

    assert claim(database) is None


def test_a_running_job_is_asked_to_stop_and_asking_again_changes_nothing(database: Database) -> None:
    job = queue(database)
    claim(database)

    with database.write() as session:
        first = jobs.request_cancel(session, job.id)
    with database.write() as session:
        again = jobs.request_cancel(session, job.id)

    assert first.status == again.status == Status.CANCELLING
    assert first.cancel_requested_at == again.cancel_requested_at


def test_a_finished_job_cannot_be_cancelled(database: Database) -> None:
    job = queue(database)
    claim(database)
    with database.write() as session:
        claims.succeed(session, job.id, 1, outcome="bounds_found", result={})

    with pytest.raises(Conflict, match="succeeded"), database.write() as session:
        jobs.request_cancel(session, job.id)


def test_an_active_job_cannot_be_removed_and_a_finished_one_can(database: Database) -> None:
    job = queue(database)

    with pytest.raises(Conflict), database.write() as session:
        jobs.remove(session, job.id)
    with database.write() as session:
        jobs.request_cancel(session, job.id)
    with database.write() as session:
        jobs.remove(session, job.id)

    with pytest.raises(NotFound):
        status(database, job.id)


LateWrite = Callable[[Any, str], object]


@pytest.mark.parametrize(
    "write",
    [
        lambda session, job_id: claims.renew(session, job_id, 1, lease_s=LEASE_S),
        lambda session, job_id: claims.report(session, job_id, 1, {"completed": 9}),
        lambda session, job_id: claims.succeed(session, job_id, 1, outcome="bounds_found", result={}),
        lambda session, job_id: claims.fail(session, job_id, 1, Reason.CRASHED, "", max_attempts=3),
        lambda session, job_id: claims.give_back(session, job_id, 1),
    ],
    ids=["renew", "report", "succeed", "fail", "give_back"],
)
def test_a_late_write_of_an_older_attempt_changes_nothing(database: Database, write: LateWrite) -> None:
    job = queue(database)
    claim(database)
    with database.write() as session:
        claims.give_back(session, job.id, 1)
    claim(database)

    with pytest.raises(ClaimLost), database.write() as session:
        write(session, job.id)

    with database.read() as session:
        found = jobs.get(session, job.id)
        assert (found.status, found.attempt, found.progress) == (Status.RUNNING, 2, None)


def test_an_expired_lease_cannot_be_renewed(database: Database) -> None:
    job = queue(database)
    claim(database)
    age(database, job.id, lease_expires_at=LEASE_S + 1)

    with pytest.raises(ClaimLost), database.write() as session:
        claims.renew(session, job.id, 1, lease_s=LEASE_S)


def test_a_lost_job_is_queued_again_until_it_was_lost_max_attempts_times(database: Database) -> None:
    job = queue(database)
    became = []

    for attempt in (1, 2, 3):
        claim(database)
        with database.write() as session:
            became.append(claims.fail(session, job.id, attempt, Reason.WORKER_LOST, "gone", max_attempts=3))

    assert became == [Status.QUEUED, Status.QUEUED, Status.FAILED]


def test_a_job_given_back_is_not_charged_with_an_attempt(database: Database) -> None:
    job = queue(database)
    for attempt in (1, 2, 3):
        claim(database)
        with database.write() as session:
            claims.give_back(session, job.id, attempt)
    claim(database)

    with database.write() as session:
        became = claims.fail(session, job.id, 4, Reason.WORKER_LOST, "gone", max_attempts=2)

    assert became == Status.QUEUED
    assert ends(database, job.id) == ["given_back"] * 3 + ["worker_lost"]


def test_a_reason_of_the_workload_itself_is_not_retried(database: Database) -> None:
    job = queue(database)
    claim(database)

    with database.write() as session:
        claims.fail(session, job.id, 1, Reason.OUT_OF_MEMORY, "too big", max_attempts=3)

    with database.read() as session:
        found = jobs.get(session, job.id)
        assert (found.status, found.reason, found.message) == ("failed", "out_of_memory", "too big")


def test_whatever_ends_a_cancelling_job_it_is_cancelled(database: Database) -> None:
    job = queue(database)
    claim(database)
    with database.write() as session:
        jobs.request_cancel(session, job.id)

    with database.write() as session:
        became = claims.fail(session, job.id, 1, Reason.CRASHED, "signal 11", max_attempts=3)

    assert became == Status.CANCELLED
    assert ends(database, job.id) == ["cancelled"]


def test_expired_jobs_are_those_whose_lease_ran_out(database: Database) -> None:
    lost, held = queue(database), queue(database)
    claim(database)
    claim(database)
    age(database, lost.id, lease_expires_at=LEASE_S + 1)

    with database.write() as session:
        assert [job.id for job in claims.expired(session)] == [lost.id]
    assert status(database, held.id) == Status.RUNNING


def test_a_worker_sees_what_its_own_children_hold(database: Database) -> None:
    job = queue(database, timeout_s=60.0)
    claim(database, worker_id="ours")
    age(database, job.id, progressed_at=7.0)

    with database.read() as session:
        (held,) = claims.held_by(session, "ours")
        assert claims.held_by(session, "theirs") == []

    assert (held.job_id, held.attempt, held.pid, held.timeout_s) == (job.id, 1, os.getpid(), 60.0)
    assert held.unchanged_for_s == pytest.approx(7.0, abs=1.0)
    assert held.cancelling_for_s is None


def test_a_child_whose_claim_was_taken_is_a_zombie_for_a_while(database: Database) -> None:
    job = queue(database)
    claim(database, worker_id="ours")
    with database.write() as session:
        claims.fail(session, job.id, 1, Reason.WORKER_LOST, "gone", max_attempts=3)

    with database.read() as session:
        assert claims.zombies(session, "ours", within_s=60) == [os.getpid()]
        assert claims.zombies(session, "theirs", within_s=60) == []


def test_the_clock_is_unix_time_with_fractions(database: Database) -> None:
    with database.read() as session:
        assert session.scalar(select(now())) == pytest.approx(time.time(), abs=2.0)


def published(database: Database, *workloads: str) -> None:
    """A living worker that can run these."""
    row = Worker(id="w", hostname="h", pid=1, slots=1, device="cpu", workloads=list(workloads))
    with database.write() as session:
        row.started_at = row.seen_at = session.scalar(select(now()))
        session.add(row)


def test_only_jobs_that_a_living_worker_can_run_are_worth_a_ring(database: Database) -> None:
    published(database, "w")
    queue(database)
    queue(database, workload="nobody's")

    with database.read() as session:
        assert claims.waiting(session, for_s=10) == (1, 0)


def test_a_job_that_nobody_claimed_for_long_is_late(database: Database) -> None:
    published(database, "w")
    queue(database)
    age(database, queue(database).id, created_at=11)

    with database.read() as session:
        assert claims.waiting(session, for_s=10) == (2, 1)


def test_a_cancelling_job_is_not_told_to_be_cancelled_before_it_is_removed(database: Database) -> None:
    job = queue(database)
    claim(database)
    with database.write() as session:
        jobs.request_cancel(session, job.id)

    with database.write() as session, pytest.raises(Conflict, match="wait until it has stopped"):
        jobs.remove(session, job.id)
