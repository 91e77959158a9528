"""Every page for everybody: axe finds nothing serious, nothing stands beyond the edge, whatever light and screen."""

import os

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.pages import shoot

SCREENS = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
PAGES = (
    "jobs",
    "no-jobs",
    "overlay",
    "range-test",
    "inconclusive",
    "failed",
    "training-job",
    "comparisons",
    "comparison",
    "schedules",
    "new-range-test",
    "new-training-job",
    "new-comparison",
    "workers",
    "keys",
    "webhooks",
    "nowhere",
)


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("light", ["light", "dark"])
def test_every_page_is_for_everybody(
    chromium: Browser, service: str, shown: dict[str, str], axe: str, light: str, screen: str
) -> None:
    size, folder = SCREENS[screen], os.environ.get("BROWSER_SHOTS")
    context = chromium.new_context(base_url=service, viewport=size, color_scheme=light)  # type: ignore[arg-type]
    page = context.new_page()
    found = {}
    for name in PAGES:
        page.goto(shown[name])
        page.wait_for_load_state(
            "networkidle" if name not in ("jobs", "no-jobs", "workers", "keys", "webhooks") else "load"
        )
        expect(page.get_by_role("main")).to_be_visible()
        if name == "jobs":
            expect(page.get_by_role("link", name="inside bounds").first).to_be_visible()
        for summary in page.locator("summary:visible").all():
            summary.click()
        page.mouse.move(0, 0)
        shoot(page, folder, f"{name}-{screen}-{light}")
        page.evaluate(axe)
        violations = page.evaluate("axe.run().then(({ violations }) => violations)")
        found[name] = [
            (violation["id"], [node["html"] for node in violation["nodes"]][:3])
            for violation in violations
            if violation["impact"] in ("serious", "critical")
        ]
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
    context.close()

    assert {name: faults for name, faults in found.items() if faults} == {}
