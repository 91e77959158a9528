"""How lists are read: by an index that has them in order, whatever they are narrowed to."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from store import comparisons, jobs
from store.callers import Caller, Scope
from store.database import Database
from store.status import Status
from tests.conftest import fresh_database

LISTS = {
    "jobs": jobs.find,
    "comparisons": comparisons.find,
}
NARROWED = [
    *[("jobs", {name: "x"}) for name in ("status", "workload", "tag", "driver")],
    *[("comparisons", {name: "x"}) for name in ("workload", "tag", "range_test_id")],
    *[("comparisons", {"status": status}) for status in (Status.RUNNING, Status.SUCCEEDED)],
    ("jobs", {}),
    ("comparisons", {}),
]


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Postgres plans by what it knows of the rows."""
    with fresh_database("sqlite", tmp_path, request) as url:
        yield url


@pytest.mark.parametrize(("listed", "narrowed"), NARROWED)
@pytest.mark.parametrize("project", [None, "vision"])
def test_a_list_is_read_in_order_by_an_index(
    database: Database, listed: str, narrowed: dict[str, Any], project: str | None
) -> None:
    if project is not None:
        database = database.within(Caller(key_id="k", project=project, scope=Scope.READ))

    steps = explain(database, lambda session: LISTS[listed](session, limit=50, **narrowed))

    assert steps
    assert not [step for step in steps if "TEMP B-TREE" in step or ("SCAN" in step and "USING" not in step)]


@pytest.mark.parametrize(
    ("listed", "index"), [("jobs", "job_tags_of_project"), ("comparisons", "comparison_tags_of_project")]
)
def test_a_projects_list_by_tag_passes_over_no_other_projects(
    database: Database, listed: str, index: str
) -> None:
    vision = database.within(Caller(key_id="k", project="vision", scope=Scope.READ))

    steps = explain(vision, lambda session: LISTS[listed](session, limit=50, tag="nightly"))

    assert any(index in step for step in steps), steps


def explain(database: Database, ask: Callable[[Session], object]) -> list[str]:
    """The steps by which SQLite answers the first statement, which is asked of an empty database."""
    asked: list[tuple[str, Any]] = []
    with database.read() as session:
        engine = session.get_bind()

        def note(connection: object, cursor: object, statement: str, parameters: Any, *_: object) -> None:
            if statement.startswith("SELECT"):
                asked.append((statement, parameters))

        event.listen(engine, "before_cursor_execute", note)
        ask(session)
        event.remove(engine, "before_cursor_execute", note)
        statement, parameters = asked[0]
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [row[3] for row in plan]
