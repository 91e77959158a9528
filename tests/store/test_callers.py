"""What a database that is opened for a caller shows, changes and deletes: the rows of one project."""

from typing import Any

import pytest
from sqlalchemy import delete, func, select, update

from store import jobs, runs
from store.callers import OWNED, PARTS, Caller, Scope
from store.database import Database
from store.models import AuditEntry, Base, CurveChunk, Job, Key, Run
from tests.jobs import queue


@pytest.fixture
def vision(database: Database) -> Database:
    """The database as a caller of the project `vision` may see it."""
    return database.within(Caller(key_id="k", project="vision", scope=Scope.SUBMIT))


def test_every_statement_is_kept_to_the_project(database: Database, vision: Database) -> None:
    theirs, ours = queue(database), queue(vision)
    with database.write() as session:
        for job in (theirs, ours):
            runs.begin_run(session, job.id, sweep=1, seed=0, plan={})
            runs.append(session, job.id, sweep=1, seed=0, series="train", rows=[(0.0, 0.1, 1.0)])

    with vision.write() as session:
        assert session.get(Job, theirs.id) is None
        assert session.get(Job, theirs.id, with_for_update=True, populate_existing=True) is None
        assert session.get(Run, (theirs.id, 1, 0)) is None
        assert list(session.scalars(select(Job.id))) == [ours.id]
        assert session.scalar(select(func.count(Job.id))) == 1
        assert runs.load(session, theirs.id) == []
        assert len(runs.load(session, ours.id)) == 1
        assert [job.id for job in jobs.find(session, limit=10)] == [ours.id]
        session.execute(update(Job).values(name="mine"))
        session.execute(delete(CurveChunk))

    with database.read() as session:
        assert {job.id: job.name for job in session.scalars(select(Job))} == {
            theirs.id: None,
            ours.id: "mine",
        }
        assert [chunk.job_id for chunk in session.scalars(select(CurveChunk))] == [theirs.id]


def test_an_admin_sees_every_project(database: Database, vision: Database) -> None:
    made = {queue(database).id, queue(vision).id}

    with database.within(Caller(key_id="k", project="vision")).read() as session:
        assert {job.id for job in jobs.find(session, limit=10)} == made


def test_whatever_belongs_to_something_of_a_project_is_kept_to_that_project() -> None:
    of_projects = {table.__tablename__ for table in OWNED}

    def belongs_to_one(table: Any) -> bool:
        return any(key.column.table.name in of_projects for key in table.__table__.foreign_keys)

    tables = [mapper.class_ for mapper in Base.registry.mappers]

    assert {table for table in tables if belongs_to_one(table)} - set(OWNED) == set(PARTS)
    assert {table for table in tables if hasattr(table, "project")} - {AuditEntry, Key} == set(OWNED)
