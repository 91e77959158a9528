"""Many tabs of one browser, which opens six connections to a service."""

import httpx2
from playwright.sync_api import Page, expect

from tests.browser.pages import wait_for_points

SCORE = "Loss against the step"
PATIENT = {"workload": "hostile", "params": {"fault": "patient"}, "schedule": {"policy": "fixed", "lr": 0.01}}


def test_eight_tabs_stay_live_and_a_ninth_opens(page: Page, service: str) -> None:
    asked = httpx2.post(f"{service}/training-jobs", json=PATIENT | {"num_steps": 20_000})
    place = asked.json()["links"]["self"]
    tabs = [page, *(page.context.new_page() for _ in range(7))]
    for tab in tabs:
        tab.goto(f"/pages{place}")

    seen = [wait_for_points(tab, SCORE) for tab in tabs]
    for tab, points in zip(tabs, seen, strict=True):
        wait_for_points(tab, SCORE, more_than=points)

    ninth = page.context.new_page()
    ninth.goto("/")
    ninth.get_by_label("Choose ").first.check()
    expect(ninth.get_by_role("button", name="Cancel 1")).to_be_visible()
    httpx2.post(f"{service}{place}/cancel")
    for tab in tabs:
        expect(tab.get_by_role("status").first).to_have_text("cancelled")
