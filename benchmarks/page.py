"""What a thousand times as many jobs cost who looks at the list in a browser: first paint, rows, the pages behind.

Two services on SQLite, of a thousand finished jobs and of a million, looked at in turns by one Chromium on loopback,
each time with a fresh profile; medians with quartiles, ms.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.growth import SIZES, fill, spread
from benchmarks.queueing import api_alone, servers
from migrations.schema import upgrade
from store.database import Database
from tests.browser.conftest import find_chromium

ROUNDS = 15
PAGES = 5  # behind the first
NOTE_ROWS = """
new MutationObserver(() => {
  if (!window.rowsAt && document.querySelector("tbody tr")) window.rowsAt = performance.now();
}).observe(document, { childList: true, subtree: true });
"""
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def serve(stack: ExitStack, size: int) -> str:
    """The address of a service with so many jobs."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    url, broker_url = stack.enter_context(servers("sqlite", folder))
    upgrade(url)
    database = Database(url)
    fill(database, size)
    database.close()
    return stack.enter_context(api_alone(url, broker_url, folder)).url


def look(browser: Browser, address: str, taken: dict[str, list[float]]) -> None:
    """Note how long the list took, and each of the pages behind it."""
    context = browser.new_context(base_url=address)
    page = context.new_page()
    page.add_init_script(NOTE_ROWS)
    page.goto("/")
    _note(page, taken, "first")
    for _ in range(PAGES):
        with page.expect_navigation():
            page.get_by_role("link", name="Older jobs").click()
        _note(page, taken, "older")
    context.close()


def _note(page: Page, taken: dict[str, list[float]], which: str) -> None:
    rows = page.wait_for_function("() => window.rowsAt").json_value()
    taken.setdefault(f"{which} page: rows", []).append(rows)
    taken.setdefault(f"{which} page: paint", []).append(page.evaluate(FIRST_PAINT))


def measure(addresses: list[str]) -> None:
    """The table."""
    taken: list[dict[str, list[float]]] = [{} for _ in addresses]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        for _ in range(ROUNDS):
            for address, times in zip(addresses, taken, strict=True):
                look(browser, address, times)
        browser.close()
    for name in taken[0]:
        print(f"{name:18}", *(spread(times[name]) for times in taken), flush=True)


if __name__ == "__main__":
    with ExitStack() as stack:
        measure([serve(stack, size) for size in SIZES])
