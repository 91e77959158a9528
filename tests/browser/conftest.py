"""The web page in a real Chromium, against a real service; both are started once for all tests."""

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from clr_tuner.client import Client
from clr_tuner.embedded.service import EmbeddedService
from store.database import Database
from store.jobs import insert_rows
from store.settings import Settings
from tests.browser.pages import SCHEDULE, old_jobs, post
from tests.machine import patience

ROOT = Path(__file__).parent.parent.parent
AXE = ROOT / ".venv" / "axe-core-4.14.1.tgz"
AXE_SHA256 = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745"
NAMES = ("chromium", "chromium-browser", "google-chrome")
WAIT_MS = 20_000
ADMIN_KEY = "f1ne-and-l0ng-en0ugh-for-a-key-of-the-tests"
REFUSED = "Failed to load resource: the server responded with a status of 4"  # which the page tells in words


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
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Of the service."""
    return Settings(port=0, data_dir=tmp_path_factory.mktemp("serve"), database_url="", broker_url="")


@pytest.fixture(scope="session")
def service(settings: Settings) -> Iterator[str]:
    """What `make serve` runs, with workloads that misbehave. Yields its URL."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests" / "plugins")]))
        with EmbeddedService(settings, say=lambda _: None) as embedded:
            yield embedded.url


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The same, which asks for a key."""
    folder = tmp_path_factory.mktemp("locked")
    settings = Settings(port=0, data_dir=folder, database_url="", broker_url="", admin_key=ADMIN_KEY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("CLR_WEBHOOK_PRIVATE", "true")
        with EmbeddedService(settings, say=lambda _: None) as embedded:
            yield embedded.url


@pytest.fixture(scope="session")
def client(service: str) -> Iterator[Client]:
    """The same service, from Python."""
    with Client(service) as opened:
        yield opened


@pytest.fixture(scope="session")
def many(service: str, settings: Settings) -> None:
    """More old jobs than one answer searches, the newest thousand with a tag; the oldest is called `needle`."""
    database = Database(settings.resolved_database_url)
    with database.write() as session:
        insert_rows(session, old_jobs())
    database.close()


@pytest.fixture(scope="session", autouse=True)
def patient() -> None:
    """What is expected may take as long as this machine needs."""
    expect.set_options(timeout=1000 * patience(WAIT_MS / 1000))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all."""
    with sync_playwright() as playwright:
        # Root's Chromium has no sandbox, and what it opens is our own.
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script, out of its npm package."""
    assert AXE.exists(), "make test-browser fetches axe-core first"
    packed = AXE.read_bytes()
    assert hashlib.sha256(packed).hexdigest() == AXE_SHA256
    with tarfile.open(fileobj=io.BytesIO(packed)) as package:
        script = package.extractfile("package/axe.min.js")
        assert script
        return script.read().decode()


@pytest.fixture(scope="session")
def shown(service: str) -> dict[str, str]:
    """{name: address} of every page, with something to see on each."""
    found = post(service, "/range-tests", workload="digits-mlp", name="digits, three seeds", tags=["night"])
    trained = post(
        service,
        "/training-jobs",
        workload="digits-mlp",
        schedule=SCHEDULE,
        num_cycles=3,
        name="inside bounds",
    )
    entries = [{"schedule": SCHEDULE}, {"schedule": {"policy": "fixed", "lr": 0.05}}]
    compared = post(
        service, "/comparisons", workload="digits-mlp", entries=entries, num_epochs=4, num_seeds=2
    )
    nothing = post(service, "/range-tests", workload="hostile", params={"fault": "flat"}, effort="quick")
    failed = post(service, "/range-tests", workload="hostile", params={"fault": "raise"}, effort="quick")
    return {
        "jobs": "/",
        "no-jobs": "/?tag=none-has-it",
        "overlay": "/pages/overlay?ids="
        + ",".join(page.rpartition("/")[2] for page in (found, nothing, trained)),
        "range-test": found,
        "inconclusive": nothing,
        "failed": failed,
        "training-job": trained,
        "comparisons": "/pages/comparisons",
        "comparison": compared,
        "schedules": "/pages/schedules",
        "new-range-test": f"/pages/range-tests/new?like={found.rpartition('/')[2]}",
        "new-training-job": f"/pages/training-jobs/new?range_test_id={found.rpartition('/')[2]}",
        "new-comparison": f"/pages/comparisons/new?range_test_id={found.rpartition('/')[2]}",
        "workers": "/pages/workers",
        "keys": "/pages/keys",
        "webhooks": "/pages/webhooks",
        "nowhere": "/pages/range-tests/0d9c6a52-3f0e-4b8e-9a57-6a1c1c0f6f0e",
    }


@pytest.fixture
def page(chromium: Browser, service: str) -> Iterator[Page]:
    """A fresh profile's page; at its end nothing may have gone wrong in its console."""
    wrong: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(REFUSED):
            wrong.append(message.text)

    context = chromium.new_context(base_url=service, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(1000 * patience(WAIT_MS / 1000))
    opened = context.new_page()
    opened.on("console", listen)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    yield opened
    context.close()
    assert wrong == []
