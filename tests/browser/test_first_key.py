"""A service that nobody has closed yet: the page makes its first key, and is logged in with it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect

from clr_tuner.client import Client
from clr_tuner.embedded.ports import find_free_port
from store import workloads
from store.database import Database
from tests import machine
from tests.api.conftest import WORKLOAD
from tests.conftest import fresh_database

ROOT = Path(__file__).parents[2]


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with nothing in it."""
    with fresh_database("sqlite", tmp_path, request) as url:
        yield url


@pytest.fixture
def opened(database: str, tmp_path: Path) -> Iterator[str]:
    """An API without workers and without keys, for a page that closes before it. Yields its URL."""
    port = find_free_port("127.0.0.1")
    url = f"http://127.0.0.1:{port}"
    env = os.environ | {"PYTHONPATH": str(ROOT), "CLR_DATABASE_URL": database}
    command = [sys.executable, "-m", "uvicorn", "--factory", "api.app:create_app", "--port", str(port)]
    api = subprocess.Popen(command, env=env, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        with Client(url, retry_s=machine.patience(30)) as client:
            client.connection.get("/healthz")
        yield url
    finally:
        api.terminate()
        api.wait()


def test_who_makes_the_first_key_is_logged_in_with_it(opened: str, page: Page) -> None:
    page.goto(f"{opened}/pages/keys")
    expect(page.get_by_text("No key was made yet")).to_be_visible()
    page.get_by_label("name").fill("the first")
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_text("make one of the scope admin first")).to_be_visible()

    page.get_by_label("scope").select_option("admin")
    page.get_by_role("button", name="Make a key").click()

    expect(page.get_by_role("row").filter(has_text="the first")).to_be_visible()
    expect(page.locator("code.secret")).to_be_visible()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    assert httpx2.get(f"{opened}/jobs").status_code == 401


def test_a_form_fills_itself_once_there_is_something_to_train(opened: str, database: str, page: Page) -> None:
    page.goto(f"{opened}/pages/range-tests/new")
    expect(page.get_by_text("There is nothing to train yet")).to_be_visible()

    with Database(database).write() as session:
        workloads.publish(session, [WORKLOAD])

    expect(page.get_by_role("button", name="Start the range test")).to_be_visible()
