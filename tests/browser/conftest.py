"""The web page in a real Chromium, against a real service; both are started once for all tests."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from clr_tuner.client import Client
from clr_tuner.embedded.service import EmbeddedService
from store.settings import Settings
from tests.machine import patience

ROOT = Path(__file__).parent.parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome")
WAIT_MS = 20_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs the browser."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


def find_chromium() -> str:
    """Where the browser is."""
    found = os.environ.get("CLR_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.exit("no chromium: install Debian's package `chromium`, or name one in CLR_CHROMIUM", 2)
    return found


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What `make serve` runs, with workloads that misbehave. Yields its URL."""
    settings = Settings(port=0, data_dir=tmp_path_factory.mktemp("serve"), database_url="", broker_url="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests" / "plugins")]))
        with EmbeddedService(settings, say=lambda _: None) as embedded:
            yield embedded.url


@pytest.fixture(scope="session")
def client(service: str) -> Iterator[Client]:
    """The same service, from Python."""
    with Client(service) as opened:
        yield opened


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all."""
    with sync_playwright() as playwright:
        # Root's Chromium has no sandbox, and what it opens is our own.
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, service: str) -> Iterator[Page]:
    """A fresh profile's page; at its end nothing may have gone wrong in its console."""
    wrong: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            wrong.append(message.text)

    context = chromium.new_context(base_url=service, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(1000 * patience(WAIT_MS / 1000))
    opened = context.new_page()
    opened.on("console", listen)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    yield opened
    context.close()
    assert wrong == []
