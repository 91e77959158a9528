"""What the tests of the page share: a job of each kind to look at, and names as nasty as a user may give."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
from playwright.sync_api import Locator, Page, expect

from store.search import LOOKED_THROUGH
from store.status import Kind, Status

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> \u05e9\u05dc\u05d5\u05dd 🦄 "
HOSTILE = HOSTILE.strip() + "W" * (200 - len(HOSTILE.strip()))
SCHEDULE = {"policy": "triangular2", "base_lr": 0.01, "max_lr": 0.1}


def old_jobs() -> list[dict[str, Any]]:
    """Finished range tests of long ago: one more than an answer searches, and 50."""
    return [
        {
            "id": str(uuid4()),
            "project": "default",
            "kind": Kind.RANGE_TEST,
            "name": f"old {number}" if number else "needle",
            "tags": ["thousand"] if number >= LOOKED_THROUGH - 949 else [],
            "workload": "digits-mlp",
            "config": {},
            "status": Status.SUCCEEDED,
            "outcome": "bounds_found",
            "result": {"base_lr": 0.01, "max_lr": 0.1},
            "attempt": 1,
            "created_at": 1e9 + number,
            "started_at": 1e9 + number,
            "finished_at": 1e9 + number + 5,
        }
        for number in range(LOOKED_THROUGH + 51)
    ]


def post(service: str, path: str, **body: Any) -> str:
    """Ask for a job and wait for its end; where its page is."""
    answer = httpx2.post(f"{service}{path}", json=body)
    assert answer.status_code == 202, answer.text
    place = str(answer.json()["links"]["self"])
    if path != "/comparisons":
        httpx2.get(f"{service}{place}?wait_s=60", timeout=70)
    return f"/pages{place}"


def chart(page: Page, title: str) -> Locator:
    """The figure of this title."""
    return page.locator("figure").filter(has_text=title)


def wait_for_points(page: Page, title: str, more_than: int = 0) -> int:
    """How many points the chart has, once it has more than so many."""
    figure = chart(page, title)
    expect(figure).to_be_visible()
    page.wait_for_function(
        "([figure, least]) => Number(figure.dataset.points) > least",
        arg=[figure.element_handle(), more_than],
    )
    return int(figure.get_attribute("data-points") or 0)


def shoot(page: Page, folder: str | None, name: str) -> None:
    """Leave a picture of the whole page in the folder, if one is given."""
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
