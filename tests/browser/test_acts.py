"""What may be asked for from the page of a job: each says what it costs, and why it is refused."""

import re

from playwright.sync_api import Page, expect

from clr_tuner.client import Client


def test_bounds_are_confirmed_once_their_cost_is_told(page: Page, client: Client) -> None:
    test = client.range_test("digits-mlp", effort="quick").wait()
    page.goto(f"/pages/range-tests/{test.id}")
    page.get_by_text("Confirm them by training").click()
    form = page.get_by_role("form", name="Confirm them by training")

    form.get_by_label("Seeds").fill("1")
    expect(form.get_by_label("Seeds")).to_have_attribute("aria-invalid", "true")

    form.get_by_label("Seeds").fill("2")
    form.get_by_label("Steps").fill("60")
    expect(form.get_by_text("It queues 10 jobs")).to_be_visible()
    form.get_by_role("button", name="Start the trainings").click()
    page.wait_for_url(re.compile("/pages/comparisons/[0-9a-f-]{36}"))

    page.goto(f"/pages/range-tests/{test.id}")
    expect(page.get_by_role("table", name="Confirmations so far")).to_be_visible()


def test_another_rule_reads_the_curve_again(page: Page, client: Client) -> None:
    test = client.range_test("digits-mlp", effort="quick").wait()
    page.goto(f"/pages/range-tests/{test.id}")
    page.get_by_text("Read the curve again by another rule").click()
    page.get_by_role("combobox", name="Rule").select_option("valley")

    page.get_by_role("button", name="Read it again").click()

    expect(page.get_by_role("table", name="Analyses so far")).to_contain_text("valley@")


def test_a_training_goes_on_with_more_cycles(page: Page, shown: dict[str, str]) -> None:
    page.goto(shown["training-job"])
    page.get_by_text("Train on from its last checkpoint").click()
    form = page.get_by_role("form", name="Train on from its last checkpoint")
    form.get_by_label("Cycles").fill("1")
    expect(form.get_by_text("It queues 1 job")).to_be_visible()

    form.get_by_role("button", name="Train on").click()

    page.wait_for_url(lambda url: "/pages/training-jobs/" in url and not url.endswith(shown["training-job"]))
    expect(page.get_by_text("after 688 steps")).to_be_visible()
