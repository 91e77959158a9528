"""The catalogue that workers publish."""

from typing import Any

from store import workloads
from store.database import Database


def workload(name: str, **overrides: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": "d",
        "params_schema": {"type": "object"},
        "default_optimizer": {"name": "SGD"},
        "default_batch_size": 64,
    } | overrides


def test_what_is_published_can_be_found_by_name(database: Database) -> None:
    with database.write() as session:
        workloads.publish(session, [workload("y"), workload("x")])

    with database.read() as session:
        assert [row.name for row in workloads.find_all(session)] == ["x", "y"]


def test_a_workload_published_again_is_replaced(database: Database) -> None:
    with database.write() as session:
        workloads.publish(session, [workload("x")])

    with database.write() as session:
        workloads.publish(session, [workload("x", default_batch_size=7)])

    with database.read() as session:
        [row] = workloads.find_all(session)
    assert (row.name, row.default_batch_size) == ("x", 7)
