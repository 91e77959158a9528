"""Jobs in the browser: started by a form, watched, reloaded, cancelled, deleted; whatever they are called."""

import re

from playwright.sync_api import Page, expect

from clr_tuner.client import Client
from tests.browser.pages import HOSTILE, post, wait_for_points

SCORE = "Loss against the step"


def start_slow(page: Page, steps: int = 2000) -> None:
    """Start, by the form, a training that takes 20 ms a step."""
    page.goto("/pages/training-jobs/new?workload=hostile&policy=fixed&lr=0.01")
    page.get_by_label("fault").select_option("patient")
    page.get_by_label("num_steps").fill(str(steps))
    page.get_by_role("button", name="Start the training").click()
    page.wait_for_url(re.compile("/pages/training-jobs/[0-9a-f-]{36}"))


def test_a_range_test_is_started_by_the_form_and_answers_bounds(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="New range test").click()
    page.get_by_label("Workload").select_option("digits-mlp")
    page.get_by_label("hidden").fill("32")
    page.get_by_label("effort").select_option("quick")
    page.get_by_role("textbox", name="name").fill("by the form")
    page.get_by_role("button", name="Start the range test").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("by the form")
    expect(page.get_by_text("Cycle between")).to_be_visible()
    assert wait_for_points(page, "Training loss against the learning rate") > 100
    page.get_by_text("What was asked for").click()
    expect(page.get_by_text("hidden 32, depth 2")).to_be_visible()


def test_what_is_refused_is_said_at_its_field(page: Page) -> None:
    page.goto("/pages/range-tests/new?workload=digits-mlp")
    page.get_by_label("hidden").fill("0")
    page.get_by_role("button", name="Start the range test").click()

    expect(page.get_by_label("hidden")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("hidden")).to_be_focused()
    expect(page.locator("#field-params-hidden-fault")).not_to_be_empty()


def test_a_chart_grows_outlives_a_reload_and_its_job_is_cancelled(page: Page) -> None:
    start_slow(page)
    before = wait_for_points(page, SCORE)
    grown = wait_for_points(page, SCORE, more_than=before)

    page.reload()
    assert wait_for_points(page, SCORE, more_than=grown - 1) >= grown

    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status").first).to_have_text("cancelled")
    expect(page.get_by_role("button", name="Delete")).to_be_visible()


def test_the_list_follows_a_job_and_cancels_it_in_the_same_row(page: Page) -> None:
    start_slow(page)
    job = page.url.rpartition("/")[2]
    page.goto("/")
    row = page.locator(f'tr[data-key="{job}"]')
    node = row.element_handle()
    expect(row.locator(".status")).to_have_text("running")

    page.on("dialog", lambda dialog: dialog.accept())
    row.get_by_role("checkbox").check()
    page.get_by_role("button", name="Cancel 1").click()

    expect(row.locator(".status")).to_have_text("cancelled")
    assert node.evaluate("(row) => row.isConnected")


def test_a_name_is_text_wherever_it_stands(page: Page, service: str) -> None:
    test = post(
        service, "/range-tests", workload="digits-mlp", effort="quick", name=HOSTILE, tags=["<b>tag</b>"]
    )
    page.on("dialog", lambda dialog: dialog.dismiss())  # an alert would fail the checks below too

    page.goto("/?kind=range_test")
    expect(page.get_by_role("link", name=HOSTILE)).to_be_visible()
    page.goto(test)
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    expect(page.get_by_role("link", name="<b>tag</b>")).to_be_visible()
    assert page.locator("main img, main script, main b").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_the_address_says_what_is_shown(page: Page, shown: dict[str, str]) -> None:
    page.goto("/?kind=range_test&status=succeeded&tag=night")
    expect(page.get_by_role("link", name="digits, three seeds")).to_be_visible()
    expect(page.get_by_role("combobox", name="Kind")).to_have_value("range_test")
    expect(page.get_by_role("link", name="inside bounds")).to_have_count(0)

    page.goto(shown["range-test"])
    page.get_by_label("Scout: ").uncheck()
    page.reload()
    expect(page.get_by_label("Scout: ")).not_to_be_checked()


def test_the_designer_draws_as_one_types(page: Page) -> None:
    page.goto("/pages/schedules")
    page.get_by_label("policy").select_option("sgdr")
    page.get_by_label("t_0").fill("100")
    page.get_by_label("Steps to show").fill("300")

    expect(page.get_by_text("300 steps in 3 cycles")).to_be_visible()
    expect(page.get_by_label("torch code")).to_contain_text("CosineAnnealingWarmRestarts")
    assert "t_0=100" in page.url


def test_a_comparison_says_who_won(page: Page, client: Client, shown: dict[str, str]) -> None:
    page.goto(shown["comparison"])

    expect(page.get_by_text("did best")).to_be_visible()
    expect(page.get_by_role("table")).to_contain_text("fixed")
    wait_for_points(page, "Held-out accuracy against the step")
