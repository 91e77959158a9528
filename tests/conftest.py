"""What every test may ask for: servers, and a freshly migrated database on each backend."""

import io
import json
import logging
import os
import shutil
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from migrations.schema import upgrade
from store.database import Database
from store.logs import JsonLines, complete
from store.settings import Settings
from tests import emptied, machine, services

LONG = {
    "e2e",
    "embedded",
    "test_docs.py",
}  # folders and files: at the end one would run alone, the others done
# Small steps gain nothing from more threads, and threads that spin starve the other processes.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A service's processes would each compile all of our modules anew, for a quarter of a second.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Starlette's test client calls the service so.
os.environ.setdefault("CLR_HOSTS", '["testserver"]')
# A run in a shell's background ignores Ctrl-C, and so would the programs whose Ctrl-C is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Have every test's own deadline scale with the machine, before pytest-timeout reads it."""
    machine.measure()
    config.option.timeout = config.option.timeout or machine.patience(float(config.getini("timeout")))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run long files first, and have the deadlines that tests name scale too."""
    items.sort(key=lambda item: LONG.isdisjoint(item.path.parts))
    for item in items:
        if named := item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(machine.patience(named.args[0])), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test printed, as a process may hand it over: with lone surrogates spelled out."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    """A real Valkey for the whole run."""
    with services.broker() as url:
        yield url


@pytest.fixture(scope="session")
def s3_access() -> Iterator[dict[str, str]]:
    """A real S3 for the whole run; the AWS_* variables that open it."""
    with services.s3_server() as (_, access):
        yield access


@pytest.fixture
def bucket_url(s3_access: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A `CLR_ARTIFACTS_URL` of this test's own, with the variables that open it."""
    for name, value in s3_access.items():
        monkeypatch.setenv(name, value)
    return f"s3://{services.BUCKET}/{uuid4().hex}"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real Postgres for the whole run, holding a migrated template database."""
    with services.postgres() as url:
        emptied.prepare(url)
        yield url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite3"
    upgrade(f"sqlite:///{path}")
    return path


@contextmanager
def fresh_database(backend: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """A freshly migrated database of this backend; yields its URL."""
    if backend == "sqlite":
        path = folder / "clr.sqlite3"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    with emptied.lend(request.getfixturevalue("postgres_url")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A freshly migrated database, on SQLite and then on Postgres."""
    with fresh_database(request.param, tmp_path, request) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The same, opened."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def log_lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What was logged so far, as the service's processes log in JSON."""
    said, root = io.StringIO(), logging.getLogger()
    handler = logging.StreamHandler(said)
    handler.setFormatter(JsonLines())
    handler.addFilter(complete)
    level = root.level
    root.addHandler(handler)
    root.setLevel("DEBUG")
    yield lambda: [json.loads(line) for line in said.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings with leases short enough to run out in a test."""
    return Settings(
        database_url=database_url, data_dir=tmp_path, lease_s=machine.slowed(5), reap_s=0.5, watch_s=0.1
    )
