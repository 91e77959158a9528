"""The catalogue that workers publish."""

from typing import Any

from store import workers
from store.database import Database
from store.workers import WorkerInfo


def worker(name: str) -> WorkerInfo:
    return WorkerInfo(id=name, hostname="host", pid=1, slots=2, device="cpu")


def workload(name: str, **overrides: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": "d",
        "params_schema": {"type": "object"},
        "default_optimizer": {"name": "SGD"},
        "default_batch_size": 64,
    } | overrides


def test_what_a_worker_publishes_can_be_found(database: Database) -> None:
    with database.write() as session:
        workers.publish(session, worker("a"), [workload("y"), workload("x")])

    with database.read() as session:
        assert [found.name for found in workers.workloads(session)] == ["x", "y"]
        assert "z" not in {found.name for found in workers.workloads(session)}
        assert [(found.id, found.workloads) for found in workers.living(session)] == [("a", ["y", "x"])]


def test_a_workload_published_again_is_replaced(database: Database) -> None:
    with database.write() as session:
        workers.publish(session, worker("a"), [workload("x")])

    with database.write() as session:
        workers.publish(session, worker("b"), [workload("x", default_batch_size=7)])

    with database.read() as session:
        [found] = workers.workloads(session)
        assert (found.name, found.default_batch_size) == ("x", 7)


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
        assert [found.id for found in workers.living(session)] == ["a"]
        workers.forget(session, unseen_for_s=-1)

    with database.read() as session:
        assert workers.living(session) == []


def test_a_forgotten_worker_is_told_that_it_is_not_known(database: Database) -> None:
    with database.write() as session:
        workers.publish(session, worker("a"), [workload("x")])

    with database.write() as session:
        known, unknown = workers.seen(session, "a"), workers.seen(session, "b")

    assert (known, unknown) == (True, False)
