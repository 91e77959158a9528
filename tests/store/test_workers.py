"""The workers that live."""

from store import workers
from store.database import Database
from store.workers import WorkerInfo


def worker(name: str) -> WorkerInfo:
    return WorkerInfo(id=name, hostname="host", pid=1, slots=2, device="cpu")


def test_a_worker_is_known_with_the_workloads_it_has(database: Database) -> None:
    with database.write() as session:
        workers.publish(session, worker("a"), ["y", "x"])

    with database.read() as session:
        assert [(row.id, row.workloads) for row in workers.living(session)] == [("a", ["y", "x"])]


def test_a_host_is_seen_while_its_worker_is(database: Database) -> None:
    with database.write() as session:
        workers.publish(session, worker("a"), [])

    with database.read() as session:
        assert workers.is_seen(session, "host", within_s=60)
        assert not workers.is_seen(session, "another", within_s=60)
        assert not workers.is_seen(session, "host", within_s=-60)


def test_a_worker_not_seen_for_long_is_forgotten(database: Database) -> None:
    with database.write() as session:
        workers.publish(session, worker("a"), [])

    with database.write() as session:
        workers.forget(session, unseen_for_s=60)
        assert [row.id for row in workers.living(session)] == ["a"]
        workers.forget(session, unseen_for_s=-1)

    with database.read() as session:
        assert workers.living(session) == []


def test_a_forgotten_worker_is_told_that_it_is_not_known(database: Database) -> None:
    with database.write() as session:
        workers.publish(session, worker("a"), ["x"])

    with database.write() as session:
        known, unknown = workers.seen(session, "a"), workers.seen(session, "b")

    assert (known, unknown) == (True, False)
