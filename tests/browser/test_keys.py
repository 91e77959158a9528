"""A service with keys: the page asks for one, and a cookie that no script reads stands for it."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import ADMIN_KEY


def test_who_has_a_key_logs_in_and_out(page: Page, locked: str) -> None:
    page.goto(f"{locked}/")
    page.get_by_label("Key").fill("none of them")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("form", name="Log in").get_by_role("status")).to_contain_text(
        "none of the service's"
    )

    page.get_by_label("Key").fill(ADMIN_KEY)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_text("Start with a range test")).to_be_visible()
    assert page.evaluate("document.cookie") == ""

    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Key")).to_be_visible()
