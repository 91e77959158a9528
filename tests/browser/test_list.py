"""The list of jobs in the browser: searched, many of it at once, and as it changes."""

import httpx2
import pytest
from playwright.sync_api import Dialog, Locator, Page, expect

from clr_tuner.client import Client
from tests.browser.pages import wait_for_points

BY_CALLER = {"driver": "client", "optimizer": {"name": "SGD"}, "batch_size": 32, "steps_per_epoch": 44}


def begin(service: str, name: str, **fields: object) -> str:
    """The id of a job that no worker takes."""
    answer = httpx2.post(f"{service}/range-tests", json=BY_CALLER | {"name": name, **fields})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def row(page: Page, job_id: str) -> Locator:
    """Where the list shows it."""
    return page.locator(f'tr[data-key="{job_id}"]')


def choose(page: Page, *job_ids: str) -> None:
    """Tick these."""
    for job_id in job_ids:
        row(page, job_id).get_by_role("checkbox").check()


def agree(page: Page) -> list[str]:
    """Say yes to what is asked from now on; what was asked."""
    asked: list[str] = []

    def accept(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    page.on("dialog", accept)
    return asked


def test_a_search_stands_in_the_address_and_finds_words_and_ids(page: Page, service: str) -> None:
    wanted, other = begin(service, "Wide net", tags=["dusk"]), begin(service, "narrow net")
    page.goto("/")
    page.get_by_role("searchbox", name="Search").fill("wide dusk")
    page.keyboard.press("Enter")

    page.wait_for_url("**/?search=wide+dusk")
    expect(row(page, wanted)).to_be_visible()
    expect(row(page, other)).to_have_count(0)
    expect(page.get_by_role("searchbox", name="Search")).to_have_value("wide dusk")

    page.goto(f"/?search={other[:8]}")
    expect(row(page, other)).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(1)


@pytest.mark.usefixtures("many")
def test_a_search_goes_on_by_itself_to_the_oldest_job(page: Page) -> None:
    page.goto("/?search=needle")
    expect(page.get_by_role("link", name="needle")).to_be_visible()

    page.goto("/?search=none+has+it")
    expect(page.get_by_text("No job is like that.")).to_be_visible()


@pytest.mark.usefixtures("many")
def test_a_list_of_a_thousand_jobs_changes_in_the_rows_that_it_has(
    page: Page, service: str, client: Client
) -> None:
    page.goto("/?tag=thousand&page_size=500")
    expect(page.locator("tbody tr")).to_have_count(500)
    expect(page.get_by_role("link", name="Older jobs")).to_be_visible()
    page.evaluate("for (const row of document.querySelectorAll('tbody tr')) row.isMarked = true")
    marked = "[...document.querySelectorAll('tbody tr')].filter((row) => row.isMarked).length"

    newest = page.locator("tbody tr").first.get_attribute("data-key") or ""
    httpx2.patch(f"{service}/jobs/{newest}", json={"name": "named anew"})
    expect(row(page, newest).get_by_role("link", name="named anew")).to_be_visible()
    assert page.evaluate(marked) == 500

    fresh = begin(service, "fresh", tags=["thousand"])
    expect(row(page, fresh)).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(500)
    assert page.evaluate(marked) == 499

    client.job(fresh).cancel()
    expect(row(page, fresh).locator(".status")).to_have_text("cancelled")
    assert page.evaluate(marked) == 499


def test_chosen_jobs_are_cancelled_and_deleted_together(page: Page, service: str) -> None:
    both = begin(service, "one of two", tags=["two"]), begin(service, "two of two", tags=["two"])
    page.goto("/?tag=two")
    asked = agree(page)
    expect(row(page, both[1])).to_be_visible()
    page.get_by_role("checkbox", name="All that are shown").check()

    page.get_by_role("button", name="Cancel 2").click()
    for job_id in both:
        expect(row(page, job_id).locator(".status")).to_have_text("cancelled")

    choose(page, *both)
    page.get_by_role("button", name="Delete 2").click()
    for job_id in both:
        expect(row(page, job_id)).to_have_count(0)
    assert "Cancel 2 jobs?" in asked[0]
    assert "Delete 2 jobs for good" in asked[1]
    assert "one of two (range test)" in asked[1]
    assert httpx2.get(f"{service}/jobs/{both[0]}").status_code == 404


def test_what_cannot_be_deleted_stays_chosen_and_says_why(
    page: Page, service: str, shown: dict[str, str]
) -> None:
    compared = httpx2.get(service + shown["comparison"].removeprefix("/pages")).json()
    part = compared["rows"][0]["jobs"][0]
    httpx2.get(f"{service}/training-jobs/{part}?wait_s=60", timeout=70)
    page.goto(f"/?search={part}")
    agree(page)
    choose(page, part)

    page.get_by_role("button", name="Delete 1").click()

    expect(page.get_by_role("alert").filter(has_text="it is part of the comparison")).to_be_visible()
    expect(row(page, part).get_by_role("checkbox")).to_be_checked()


def test_chosen_jobs_are_drawn_over_each_other(page: Page, shown: dict[str, str]) -> None:
    test, trained = (shown[name].rpartition("/")[2] for name in ("range-test", "training-job"))
    page.goto("/")
    choose(page, test, trained)
    page.get_by_role("link", name="Overlay").click()

    page.wait_for_url(f"**/pages/overlay?ids={test},{trained}")
    charts = page.locator("figure:visible")
    expect(charts).to_have_count(4)
    for title in ("Training loss against the learning rate", "Held-out accuracy against the step"):
        assert wait_for_points(page, title) > 2
    expect(page.get_by_role("row").filter(has_text="digits, three seeds")).to_contain_text(" to ")

    page.get_by_role("link", name="Take out inside bounds").click()
    expect(page.locator("figure:visible")).to_have_count(2)


def test_comparisons_are_searched_and_filtered(page: Page, shown: dict[str, str]) -> None:
    compared = shown["comparison"].rpartition("/")[2]
    page.goto("/pages/comparisons?workload=digits-mlp")
    page.get_by_role("searchbox", name="Search").fill(compared[:8])
    page.keyboard.press("Enter")

    page.wait_for_url(f"**/pages/comparisons?search={compared[:8]}&workload=digits-mlp")
    expect(row(page, compared)).to_be_visible()

    page.get_by_role("combobox", name="Status").select_option("failed")
    expect(page.get_by_text("No comparison is like that.")).to_be_visible()
    page.get_by_role("link", name="Show all comparisons").click()
    expect(row(page, compared)).to_be_visible()
