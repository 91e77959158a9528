"""One range test in the browser: asked for, watched, read."""

from playwright.sync_api import Page, expect

from clr_tuner.client import Client


def test_a_range_test_shows_its_bounds_and_its_curve(page: Page, client: Client) -> None:
    job = client.range_test("digits-mlp", effort="quick", name="a look").wait()
    bounds = job.bounds()

    page.goto("/")
    page.get_by_role("link", name="a look").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("a look")
    expect(page.get_by_text(f"Cycle between {bounds.base_lr:.4g}")).to_be_visible()
    expect(page.get_by_text(bounds.reason_max)).to_be_visible()
    expect(page.get_by_role("img", name="Training loss against the learning rate")).to_be_visible()
    expect(page.get_by_label("Scout: exponential")).to_be_checked()
