"""What others wrote is text wherever it stands, and no page breaks under it."""

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import HOSTILE, SCHEDULE, post

SCREENS = ({"width": 1280, "height": 900}, {"width": 390, "height": 844})


def expect_only_text(page: Page) -> None:
    """Nothing of it became markup, and nothing reaches beyond the edge, on a desk or a phone."""
    assert page.locator("main img, main script, main b").count() == 0
    for size in SCREENS:
        page.set_viewport_size(size)  # type: ignore[arg-type]
        page.wait_for_function("(most) => document.documentElement.scrollWidth <= most", arg=size["width"])


def test_what_a_workload_says_as_it_fails_is_text(page: Page, service: str) -> None:
    failed = post(
        service, "/range-tests", workload="hostile", params={"fault": "raise_markup"}, effort="quick"
    )

    page.goto(failed)

    expect(page.get_by_role("region", name="message")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(page.locator(".message")).to_have_css("unicode-bidi", "isolate")
    expect_only_text(page)


def test_names_of_a_comparison_and_its_entries_are_text(page: Page, service: str) -> None:
    entries = [{"schedule": SCHEDULE, "label": HOSTILE[:100]}, {"schedule": SCHEDULE, "label": "plain"}]
    body = {"workload": "digits-mlp", "entries": entries, "num_seeds": 1, "num_epochs": 1}
    place = post(service, "/comparisons", **body, name=HOSTILE, tags=["<b>tag</b>"])

    page.goto("/pages/comparisons")
    expect(page.get_by_role("link", name=HOSTILE)).to_be_visible()
    expect_only_text(page)
    page.goto(place)
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    expect(page.get_by_role("table").first).to_contain_text("plain")
    expect_only_text(page)
    page.goto(f"/pages/comparisons/new?like={place.rpartition('/')[2]}")
    expect(page.get_by_role("textbox", name="name")).to_have_value(HOSTILE)
    expect(page.locator("figure ul.legend li").first).to_contain_text(HOSTILE[:100])
    expect_only_text(page)
    httpx2.post(f"{service}{place.removeprefix('/pages')}/cancel")


@pytest.mark.parametrize("name", ["left\u202eright", "a bell \a", "W" * 201], ids=["turn", "bell", "long"])
def test_a_name_that_is_none_is_refused_where_it_was_typed(page: Page, name: str) -> None:
    page.goto("/pages/range-tests/new?workload=digits-mlp")
    page.get_by_role("textbox", name="name").fill(name)

    expect(page.locator("#field-name-fault")).not_to_be_empty()
    expect(page.get_by_role("textbox", name="name")).to_have_value(name)


def test_two_hundred_emoji_are_a_name(page: Page) -> None:
    page.goto("/pages/range-tests/new?workload=digits-mlp")
    page.get_by_role("textbox", name="name").fill("🦄" * 200)

    expect(page.get_by_text("It queues 1 job")).to_be_visible()
    expect(page.locator("#field-name-fault")).to_be_empty()


def test_the_documentation_opens_without_a_fault(page: Page) -> None:
    page.goto("/docs")

    expect(page.get_by_role("heading", name="clr-tuner")).to_be_visible()
    expect(page.get_by_text("/schedules/preview").first).to_be_visible()
    page.locator(".opblock-summary-control").first.click()
    expect(page.get_by_text("Parameters").first).to_be_visible()
