"""What concerns hundreds of jobs: it goes in small transactions, and whoever comes next finishes what was begun."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event, func, select

from store import chores, claims, comparisons, jobs, runs, webhooks
from store.batches import BYTES, ROWS
from store.database import Database
from store.errors import NotFound
from store.models import Comparison, CurveChunk, Delivery, Job, JobTag
from store.status import Kind, Status
from tests.jobs import compare, queue

LARGEST = {"trainings": 38, "seeds": 20}  # 761 jobs, as a body of 2 KB may ask for
TAGS = [f"t{number}" for number in range(20)]


class Killed(Exception):
    """Stands for the end of a process between two transactions."""


@contextmanager
def killed_after(transactions: int) -> Iterator[None]:
    """Whoever commits so many transactions gets no further."""
    left = transactions

    def count(_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    event.listen(Engine, "begin", count)
    with pytest.raises(Killed):
        yield
    event.remove(Engine, "begin", count)


@contextmanager
def written() -> Iterator[list[int]]:
    """The rows that each transaction writes meanwhile, those that go with a deleted row not counted."""
    rows = [0]

    def begin(_: object) -> None:
        rows.append(0)

    def count(_connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            rows[-1] += max(0, getattr(cursor, "rowcount", 0))

    event.listen(Engine, "begin", begin)
    event.listen(Engine, "after_cursor_execute", count)
    yield rows
    event.remove(Engine, "begin", begin)
    event.remove(Engine, "after_cursor_execute", count)


def statuses(database: Database, comparison_id: str) -> Counter[str]:
    with database.read() as session:
        return Counter(job.status for job in comparisons.jobs_of(session, comparison_id))


def claim(database: Database) -> Job | None:
    with database.write() as session:
        return claims.claim(session, workloads=["w"], worker_id="w", ring_id="r", pid=1, lease_s=60)


def cancel(database: Database, comparison_id: str) -> None:
    with database.write() as session:
        comparisons.request_cancel(session, comparison_id)


def remove(database: Database, comparison_id: str) -> None:
    with database.write() as session:
        comparisons.remove(session, comparison_id)


def count(database: Database, table: type[Job | JobTag | Comparison | CurveChunk]) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def reap(database: Database) -> None:
    left_over = chores.LeftOver()
    left_over.finish(database)
    left_over.finish(database)


def test_no_transaction_of_the_largest_comparison_writes_many_rows(database: Database) -> None:
    comparison_id = compare(database, **LARGEST, tags=TAGS)
    with written() as rows:
        chores.finish(database, comparison_id)
        queued = statuses(database, comparison_id)
        cancel(database, comparison_id)
        chores.finish(database, comparison_id)
        cancelled = statuses(database, comparison_id)
        remove(database, comparison_id)
        chores.finish(database, comparison_id)
        chores.free(database)

    assert (queued, cancelled) == ({"queued": 761}, {"cancelled": 761})
    assert (count(database, Job), count(database, JobTag), count(database, Comparison)) == (0, 0, 0)
    assert max(rows) <= ROWS + 10  # the comparison and what is counted


def test_a_long_curve_is_freed_in_pieces(database: Database) -> None:
    job_id = queue(database).id
    chunk = [(step, 0.1, 0.5) for step in range(50_000)]  # 1.2 MB
    with database.write() as session:
        for sweep in range(12):
            runs.append(session, job_id, sweep=sweep, seed=0, series="train", rows=chunk)
        jobs.request_cancel(session, job_id)
    with database.write() as session:
        jobs.remove(session, job_id)

    with written() as rows:
        chores.free(database)

    at_once = BYTES // (3 * 8 * len(chunk)) + 1
    assert max(rows) <= at_once + 1
    assert (count(database, CurveChunk), count(database, Job)) == (0, 0)


def test_a_deleted_job_is_gone_before_its_rows_are(database: Database) -> None:
    job_id = queue(database, tags=["t"], idempotency_key="k", request_hash="h").id
    with database.write() as session:
        jobs.request_cancel(session, job_id)
    with database.write() as session:
        jobs.remove(session, job_id)

    with database.read() as session:
        with pytest.raises(NotFound):
            jobs.get(session, job_id)
        listed = jobs.find(session, limit=9) + jobs.find(session, limit=9, tag="t")
        known = jobs.made_before(session, Kind.RANGE_TEST, idempotency_key="k", request_hash="h")
    assert (listed, known) == ([], None)
    reap(database)
    assert count(database, Job) == 0


def test_jobs_that_were_not_queued_yet_are_queued_by_who_comes_next(database: Database) -> None:
    comparison_id = compare(database, trainings=30, seeds=20, tags=TAGS)
    with killed_after(3):
        chores.finish(database, comparison_id)
    half = statuses(database, comparison_id)
    reap(database)

    with database.read() as session:
        made = comparisons.jobs_of(session, comparison_id)
        unfinished = session.execute(select(Comparison.plan, Comparison.chore)).one()
    assert 0 < half.total() < 601
    assert Counter(job.config["seed"] for job in made) == {0: 31} | dict.fromkeys(range(1, 20), 30)
    assert [job.turn for job in made] == list(range(1, 602))
    assert tuple(unfinished) == (None, None)


def test_a_look_leaves_alone_what_began_since_the_last(database: Database) -> None:
    left_over = chores.LeftOver()
    left_over.finish(database)
    comparison_id = compare(database, trainings=3)

    left_over.finish(database)

    assert not statuses(database, comparison_id)


def test_no_job_of_a_cancelled_comparison_starts(database: Database) -> None:
    comparison_id = compare(database, trainings=1, seeds=300)
    chores.finish(database, comparison_id)
    running = claim(database)
    cancel(database, comparison_id)
    claimed = claim(database)
    with killed_after(2):
        chores.finish(database, comparison_id)
    claimed_after_the_kill = claim(database)
    reap(database)

    assert running is not None
    assert (claimed, claimed_after_the_kill) == (None, None)
    assert statuses(database, comparison_id) == {"cancelling": 1, "cancelled": 299}


def test_a_comparison_that_was_cancelled_half_way_has_all_its_jobs_cancelled(database: Database) -> None:
    comparison_id = compare(database, trainings=30, seeds=20, tags=TAGS)
    with killed_after(2):
        chores.finish(database, comparison_id)
    cancel(database, comparison_id)
    assert claim(database) is None
    reap(database)

    assert statuses(database, comparison_id) == {Status.CANCELLED: 601}


def test_webhooks_are_told_of_every_job_of_a_cancelled_comparison_once(database: Database) -> None:
    comparison_id = compare(database, trainings=1, seeds=120)
    with database.write() as session:
        webhooks.create(session, url="https://example.org", events=["job.cancelled"])
    chores.finish(database, comparison_id)
    cancel(database, comparison_id)
    with killed_after(2):
        chores.finish(database, comparison_id)
    reap(database)

    with database.read() as session:
        told = session.scalars(select(Delivery.job_id)).all()
        assert sorted(told) == sorted(job.id for job in comparisons.jobs_of(session, comparison_id))


def test_a_comparison_that_was_deleted_half_way_goes(database: Database) -> None:
    comparison_id = compare(database, trainings=1, seeds=300)
    cancel(database, comparison_id)
    chores.finish(database, comparison_id)
    remove(database, comparison_id)
    with killed_after(2):
        chores.finish(database, comparison_id)

    with database.read() as session:
        with pytest.raises(NotFound):
            comparisons.get(session, comparison_id)
        assert comparisons.find(session, limit=9) == []
    reap(database)
    assert (count(database, Job), count(database, Comparison)) == (0, 0)
