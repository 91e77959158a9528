"""The forms in the browser: what they would cost, what is wrong where, and that nothing typed is lost."""

import re

import httpx2
import pytest
from playwright.sync_api import Page, expect

from clr.policies import by_policy
from clr_tuner.client import Client
from tests.browser.pages import post, wait_for_points

STARTED = re.compile("/pages/[a-z-]+/[0-9a-f-]{36}")


def entry(page: Page, place: int) -> str:
    """The selector of an entry of a comparison, from 1."""
    return f'fieldset[data-item]:has(> legend:text-is("entry {place}"))'


def test_a_form_says_what_it_would_cost(page: Page) -> None:
    page.goto("/pages/training-jobs/new?workload=digits-mlp&policy=triangular&base_lr=0.01&max_lr=0.1")
    expect(page.get_by_text("It queues 1 job; how many steps, the size of the data decides")).to_be_visible()

    page.get_by_label("num_steps").fill("3000")
    page.locator("#field-schedule-step_size").fill("150")

    expect(page.get_by_text("It queues 1 job, at most 3,000 steps")).to_be_visible()
    expect(page.get_by_text("3,000 steps in 10 cycles")).to_be_visible()


def test_a_fault_is_told_at_its_field_while_one_types(page: Page) -> None:
    page.goto("/pages/training-jobs/new?workload=digits-mlp")
    page.locator("#field-schedule-base_lr").fill("0.1")
    page.locator("#field-schedule-max_lr").fill("0.01")
    expect(page.locator("#field-schedule-max_lr-fault")).to_contain_text("greater than base_lr")

    page.locator("#field-schedule-max_lr").fill("0.5")
    expect(page.locator("#field-schedule-max_lr-fault")).to_be_empty()
    expect(page.get_by_text("It queues 1 job")).to_be_visible()


def test_what_is_no_number_is_not_taken_for_nothing(page: Page) -> None:
    page.goto("/pages/range-tests/new?workload=digits-mlp")
    page.get_by_label("hidden").press_sequentially("1e")
    page.get_by_role("button", name="Start the range test").click()

    expect(page.locator("#field-params-hidden-fault")).to_have_text("is not a number")
    expect(page.get_by_label("hidden")).to_be_focused()


def test_entries_are_added_removed_refused_in_their_places_and_compared(page: Page) -> None:
    page.goto("/pages/comparisons/new?workload=digits-mlp&num_epochs=1&num_seeds=1&name=by+hand")
    page.get_by_role("button", name="Add an entry").click()
    page.locator(entry(page, 1)).get_by_role("button", name="Remove this entry").click()
    first, last = page.locator(entry(page, 1)), page.locator(entry(page, 3))
    last.get_by_label("policy").select_option("fixed")
    last.get_by_role("spinbutton", name="lr").fill("-1")
    expect(last.locator(".fault").filter(has_text="greater than or equal to 0")).to_be_visible()

    last.get_by_role("spinbutton", name="lr").fill("0.05")
    page.locator(entry(page, 2)).get_by_role("button", name="Remove this entry").click()
    first.get_by_label("policy").select_option("triangular")
    first.get_by_label("base_lr").fill("0.01")
    first.get_by_label("max_lr").fill("0.1")
    first.get_by_label("label").fill("ours")
    expect(page.get_by_text("It queues 2 jobs")).to_be_visible()
    page.get_by_role("button", name="Start the comparison").click()

    page.wait_for_url(STARTED)
    expect(page.get_by_role("heading", level=1)).to_have_text("by hand")
    expect(page.get_by_role("table").first).to_contain_text("ours")


def test_a_fault_of_a_stage_of_an_entry_is_told_there(page: Page) -> None:
    page.goto("/pages/comparisons/new?workload=digits-mlp&num_epochs=1")
    page.locator(entry(page, 1)).get_by_role("button", name="Remove this entry").click()
    second = page.locator(entry(page, 2))
    second.get_by_label("policy").select_option("staged")
    second.get_by_role("button", name="Add a stage").click()
    second.get_by_role("button", name="Add a stage").click()
    stage = second.get_by_role("group", name="stage 2")
    second.get_by_role("group", name="stage 1").get_by_role("button", name="Remove this stage").click()
    alone = second.get_by_role("group", name="stage 1")
    alone.get_by_label("start").fill("-5")

    expect(alone.locator(".field", has=page.get_by_label("start")).locator(".fault")).to_contain_text("0")
    expect(stage).to_have_count(0)


def test_a_comparison_begins_with_the_bounds_of_a_range_test(page: Page, client: Client) -> None:
    job = client.range_test("digits-mlp", effort="quick").wait()
    bounds = job.bounds()

    page.goto(f"/pages/comparisons/new?range_test_id={job.id}")

    expect(page.locator(entry(page, 2)).get_by_label("max_lr")).to_have_value(str(bounds.max_lr))
    expect(page.get_by_text("It queues 9 jobs;")).to_be_visible()
    assert wait_for_points(page, "Learning rate against the step") > 100


def test_a_comparison_is_asked_for_again_as_it_was(page: Page, service: str) -> None:
    made = post(service, "/comparisons", workload="digits-mlp", preset="adaptive", num_seeds=1, num_epochs=1)
    id = made.rpartition("/")[2]
    httpx2.post(f"{service}/comparisons/{id}/cancel")

    page.goto(f"/pages/comparisons/new?like={id}")

    expect(page.locator("fieldset[data-item]")).to_have_count(10)
    expect(page.locator(entry(page, 3)).get_by_label("label")).to_have_value("Adam fixed")
    expect(page.get_by_text(re.compile("It queues 1[05] jobs"))).to_be_visible()


def test_the_designer_draws_every_policy_at_once(page: Page) -> None:
    page.goto("/pages/schedules")
    page.get_by_label("Steps to show").fill("5000")

    for policy in by_policy():
        page.get_by_label("policy").first.select_option(policy)
        page.wait_for_url(re.compile(f"policy={policy}&"))
        expect(page.get_by_text("5,000 steps")).to_be_visible()
        expect(page.get_by_label("torch code")).to_contain_text("range(5000)")
        assert page.locator("main .fault").all_inner_texts() == [""] * page.locator("main .fault").count()


def test_the_designer_keeps_any_schedule_in_its_address(page: Page) -> None:
    page.goto("/pages/schedules?policy=staged")
    page.get_by_role("button", name="Add a stage").click()
    stage = page.locator('fieldset[data-item]:has(> legend:text-is("stage 3"))')
    stage.get_by_label("start").fill("4000")
    stage.get_by_label("end").fill("5000")
    stage.get_by_label("policy").select_option("multistep_decay")
    stage.get_by_label("milestones").fill("200, 400")
    page.get_by_label("Steps to show").fill("5000")
    expect(page.get_by_text("5,000 steps, between")).to_be_visible()

    page.reload()

    expect(page.get_by_text("5,000 steps, between")).to_be_visible()
    expect(stage.get_by_label("milestones")).to_have_value("200, 400")
    expect(page.get_by_label("torch code")).to_contain_text("staged")


def test_a_form_is_filled_in_and_sent_by_the_keyboard_alone(page: Page) -> None:
    page.goto("/pages/comparisons/new?workload=digits-mlp&num_epochs=1&num_seeds=1")
    expect(page.get_by_text("It queues")).to_be_visible()
    page.locator("#workload").focus()

    def tab_to(name: str) -> None:
        """Press Tab until the focus is on what has this name."""
        for _ in range(60):
            page.keyboard.press("Tab")
            focused = page.evaluate(
                "document.activeElement.labels?.[0]?.textContent ?? document.activeElement.textContent"
            )
            if focused == name:
                return
        raise AssertionError(f"Tab does not reach {name}")

    tab_to("lr")
    page.keyboard.type("0.05")
    tab_to("Remove")
    tab_to("Remove")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Add an entry")).to_be_focused()
    tab_to("name")
    page.keyboard.type("no mouse")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    tab_to("Start the comparison")
    page.keyboard.press("Enter")

    page.wait_for_url(STARTED)
    expect(page.get_by_role("heading", level=1)).to_have_text("no mouse")
    assert outline == "solid"


LATE_STOPS = 4  # of a chart that is drawn meanwhile


@pytest.mark.parametrize(
    "path",
    [
        "/pages/range-tests/new?workload=digits-cnn",
        "/pages/training-jobs/new?workload=digits-cnn",
        "/pages/schedules?policy=staged",
        "/pages/keys",
        "/pages/webhooks",
    ],
)
def test_the_keyboard_reaches_every_control_and_shows_where_it_is(page: Page, path: str) -> None:
    page.goto(path)
    expect(page.locator("main form")).to_be_visible()
    page.locator("main summary").evaluate_all(
        "(all) => all.forEach((one) => (one.parentElement.open = true))"
    )
    controls = page.locator("main :is(a[href], button, input, select, summary, [tabindex='0']):visible")
    missed = controls.evaluate_all("(all) => (window.missed = new Set(all)).size")
    page.evaluate("document.querySelector('main').focus()")

    for _ in range(missed + LATE_STOPS):
        if page.evaluate("missed.size") == 0:
            break
        page.keyboard.press("Tab")
        is_seen = page.evaluate(
            "(missed.delete(document.activeElement), getComputedStyle(document.activeElement).outlineStyle == 'solid')"
        )
        assert is_seen

    assert page.evaluate("[...missed].map((one) => one.outerHTML)") == []
