"""A service's rows of schema 0007 (schema_0007.sql, as `sqlite3 .dump` writes them) are served by the newest."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from fastapi.testclient import TestClient
from sqlalchemy import Boolean, MetaData, create_engine, text

from api.app import create_app
from migrations.schema import _config, upgrade
from store import claims, comparison_ends, gauges, jobs
from store.database import Database
from store.settings import Settings
from store.status import Status

DUMP = Path(__file__).with_name("schema_0007.sql")

RANGE_TEST = "39613974-9ccb-425c-85c9-3bfc980d7355"
RESUMED = "c4dd0bb9-d484-4a56-b600-71b947a58fea"
COMPARISON = "5c5c6184-457b-48ea-a533-467b7f6ba70b"
QUEUED = "5143c3cd"  # the oldest of the queued: how its id begins
QUEUED_TRAINING = "722afe67"


@pytest.fixture
def old(database_url: str) -> str:
    """A database of schema 0007 with the rows of the dump."""
    command.downgrade(_config(database_url), "base")
    command.upgrade(_config(database_url), "0007")
    engine, tables = create_engine(database_url), MetaData()
    tables.reflect(engine)
    with closing(sqlite3.connect(":memory:")) as dump, engine.begin() as connection:
        dump.executescript(DUMP.read_text())
        dump.row_factory = sqlite3.Row
        for table in tables.sorted_tables:
            if table.name == "alembic_version":
                continue
            names = [column.name for column in table.columns]
            flags = [column.name for column in table.columns if isinstance(column.type, Boolean)]
            rows = [dict(row) for row in dump.execute(f"SELECT {', '.join(names)} FROM {table.name}")]
            rows = [row | {name: bool(row[name]) for name in flags} for row in rows]
            into = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES (:{', :'.join(names)})"
            connection.execute(text(into), rows)
    engine.dispose()
    return database_url


@pytest.fixture
def api(old: str, settings: Settings, broker_url: str) -> Iterator[TestClient]:
    """The API on the migrated rows."""
    upgrade(old)
    with TestClient(create_app(settings.model_copy(update={"broker_url": broker_url}))) as client:
        yield client


def begins(database: Database, start: str) -> str:
    with database.read() as session:
        [job_id] = [job.id for job in jobs.find(session, limit=100) if job.id.startswith(start)]
    return job_id


def test_old_rows_are_served(api: TestClient) -> None:
    listed = api.get("/jobs?page_size=100").json()["items"]
    links = [link for job in listed for name, link in job["links"].items() if name in ("self", "curve")]

    assert len(listed) == 34
    assert {api.get(link).status_code for link in links} == {200}
    assert api.get(f"/range-tests/{RANGE_TEST}/bounds").json()["max_lr"] == 0.08539


def test_a_comparison_finds_its_jobs_by_label(api: TestClient) -> None:
    rows = api.get(f"/comparisons/{COMPARISON}").json()["rows"]

    assert {row["label"]: len(row["jobs"]) for row in rows} == {"constant": 2, "CLR": 2, "Adam fixed": 2}


def test_old_jobs_are_found_by_their_tags(api: TestClient) -> None:
    listed = api.get("/jobs?page_size=100").json()["items"]
    tags = {tag for job in listed for tag in job["tags"]}

    found = {tag: api.get("/jobs", params={"tag": tag, "page_size": 100}).json()["items"] for tag in tags}
    assert tags
    assert found == {tag: [job for job in listed if tag in job["tags"]] for tag in tags}


def test_old_jobs_are_counted_by_status(old: str, database: Database) -> None:
    upgrade(old)

    with database.read() as session:
        rows = Counter(job.status for job in jobs.find(session, limit=100))
        counted = gauges.read(session, worker_seen_within_s=1).jobs
    assert counted == {status: rows[status] for status in Status}


def test_webhooks_are_not_told_of_old_comparisons_that_had_ended(old: str, database: Database) -> None:
    upgrade(old)

    with database.read() as session:
        assert comparison_ends.find(session) == []


def test_old_jobs_are_of_normal_priority(api: TestClient) -> None:
    listed = api.get("/jobs?page_size=100").json()["items"]

    assert {job["priority"] for job in listed} == {"normal"}


def test_an_old_training_job_can_be_resumed(api: TestClient) -> None:
    resumed = api.post(f"/training-jobs/{RESUMED}/resume", json={"num_cycles": 1})

    assert resumed.status_code == 202, resumed.text
    assert resumed.json()["config"]["resume_from"] == RESUMED


def test_old_jobs_are_claimed_and_watched(old: str, database: Database) -> None:
    upgrade(old)
    with database.write() as session:
        job = claims.claim(session, workloads=["digits-mlp"], worker_id="w", ring_id="r", pid=1, lease_s=30)
        [held] = claims.held_by(session, "w")

    assert job is not None
    assert job.id == begins(database, QUEUED)
    assert held.timeout_s == 60.0


def test_a_range_test_of_an_old_training_job_is_cancelled_with_it(old: str, database: Database) -> None:
    upgrade(old)
    training = begins(database, QUEUED_TRAINING)
    with database.write() as session:
        cancelled = jobs.request_cancel(session, training)

    with database.read() as session:
        test = jobs.get(session, str(cancelled.after_job))
    assert (test.made_for, test.status) == (training, "cancelled")


def test_a_downgrade_loses_nothing(old: str) -> None:
    upgrade(old)

    command.downgrade(_config(old), "0007")
    upgrade(old)

    engine = create_engine(old)
    with engine.connect() as connection:
        filled = connection.execute(
            text("SELECT count(timeout_s), count(label), count(resume_from), count(made_for) FROM jobs")
        ).one()
    engine.dispose()
    assert tuple(filled) == (34, 18, 1, 2)
