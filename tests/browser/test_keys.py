"""A service with keys: pages ask for one, a cookie that no script reads stands for it, and admins make others."""

import re

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import ADMIN_KEY
from tests.browser.pages import HOSTILE

ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}


def log_in(page: Page, key: str) -> None:
    """By the form that stands there."""
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("form", name="Log in")).to_have_count(0)


def make_key(service: str, name: str, scope: str) -> str:
    """Its secret."""
    answer = httpx2.post(f"{service}/keys", json={"name": name, "scope": scope}, headers=ADMIN)
    return str(answer.json()["secret"])


def end_session(context: BrowserContext, service: str) -> None:
    """As if its twelve hours were over: the page learns of it when it asks next."""
    [cookie] = context.cookies(service)
    httpx2.delete(
        f"{service}/session", headers={"Cookie": f"{cookie['name']}={cookie['value']}", "Origin": service}
    )


@pytest.fixture
def admin(page: Page, locked: str) -> Page:
    """The page of keys, where an admin is logged in."""
    page.goto(f"{locked}/pages/keys")
    log_in(page, ADMIN_KEY)
    page.on("dialog", lambda dialog: dialog.accept())
    return page


def test_who_has_a_key_logs_in_and_out(page: Page, locked: str) -> None:
    page.goto(f"{locked}/pages/workers")
    page.get_by_label("Key", exact=True).fill("none of them")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("form", name="Log in").get_by_role("status")).to_contain_text(
        "none of the service's"
    )

    log_in(page, ADMIN_KEY)
    expect(page.get_by_text("queued")).to_be_visible()
    assert page.evaluate("document.cookie") == ""

    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Key", exact=True)).to_be_visible()


def test_a_key_is_made_shown_once_and_revoked(admin: Page, locked: str) -> None:
    admin.get_by_label("name").fill(HOSTILE)
    admin.get_by_label("project").fill("Not Allowed")
    admin.get_by_role("button", name="Make a key").click()
    expect(admin.get_by_label("project")).to_have_attribute("aria-invalid", "true")
    admin.get_by_label("project").fill("vision")
    admin.get_by_label("scope").select_option("read")
    admin.get_by_role("button", name="Make a key").click()

    secret = admin.locator("code.secret").inner_text()
    row = admin.get_by_role("row").filter(has_text=HOSTILE)
    expect(row).to_contain_text("vision")
    assert httpx2.get(f"{locked}/jobs", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    assert admin.locator("main img, main script").count() == 0
    assert admin.evaluate("document.documentElement.scrollWidth") <= 1280

    row.get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("revoked")
    assert httpx2.get(f"{locked}/jobs", headers={"Authorization": f"Bearer {secret}"}).status_code == 401
    admin.reload()
    expect(row).to_be_visible()
    expect(admin.locator("code.secret")).to_have_count(0)


def test_a_name_with_control_characters_is_refused_at_its_field(admin: Page) -> None:
    admin.get_by_label("name").fill("left\u202eright")
    admin.get_by_role("button", name="Make a key").click()

    expect(admin.locator("#field-name-fault")).to_contain_text("without control characters")
    expect(admin.get_by_label("name")).to_have_value("left\u202eright")


def test_who_may_only_look_is_told_so(page: Page, locked: str) -> None:
    page.goto(f"{locked}/pages/range-tests/new?workload=digits-mlp")
    log_in(page, make_key(locked, "a reader", "read"))

    expect(page.get_by_text("this key has the scope read, and this needs submit")).to_be_visible()
    expect(page.get_by_role("link", name="Keys")).to_be_hidden()
    page.goto(f"{locked}/pages/webhooks")
    expect(page.get_by_text("this key has the scope read, and this needs admin")).to_be_visible()
    expect(page.get_by_role("button", name="Make a webhook")).to_have_count(0)


def test_who_may_only_look_designs_schedules(page: Page, locked: str) -> None:
    page.goto(f"{locked}/pages/schedules?policy=hann")
    log_in(page, f" {make_key(locked, 'a designer', 'read')} ")

    expect(page.get_by_label("torch code")).to_contain_text("hann")


def test_a_session_that_ends_in_a_form_loses_nothing_of_it(page: Page, locked: str) -> None:
    page.goto(f"{locked}/pages/range-tests/new?workload=digits-mlp")
    log_in(page, make_key(locked, "who asks", "submit"))
    expect(page.get_by_text("It queues 1 job")).to_be_visible()
    end_session(page.context, locked)

    page.get_by_role("textbox", name="name").fill("typed before")
    expect(page.get_by_text("Not ready: the session has ended")).to_be_visible()
    page.get_by_label("effort").select_option("quick")
    page.get_by_role("button", name="Start the range test").click()
    log_in(page, make_key(locked, "who asks again", "submit"))

    page.wait_for_url(re.compile("/pages/range-tests/[0-9a-f-]{36}"))
    expect(page.get_by_role("heading", level=1)).to_have_text("typed before")
    page.get_by_role("button", name="Cancel").or_(page.get_by_role("button", name="Delete")).click()


def test_a_webhook_is_made_called_and_deleted(admin: Page) -> None:
    admin.get_by_role("link", name="Webhooks").click()
    expect(admin.get_by_text("Nobody is called yet")).to_be_visible()
    url = "http://127.0.0.1:1/<img/src=x/onerror=alert(1)>\"'" + "W" * 200
    admin.get_by_label("url").fill(url)
    admin.get_by_label("job.cancelled").uncheck()
    admin.get_by_role("button", name="Make a webhook").click()

    expect(admin.locator("code.secret")).to_contain_text("whsec_")
    expect(admin.get_by_role("button", name="Copy the secret")).to_be_focused()
    expect(admin.get_by_label("job.cancelled")).to_be_checked()
    card = admin.get_by_role("region", name=url)
    expect(card).to_contain_text("job.failed")
    expect(card).not_to_contain_text("job.cancelled")
    card.get_by_role("button", name="Call it now").click()
    expect(card.get_by_role("cell", name="webhook.test")).to_be_visible()
    expect(card.get_by_role("cell", name="Connection refused")).to_be_visible()
    assert admin.locator("main img").count() == 0
    assert admin.evaluate("document.documentElement.scrollWidth") <= 1280

    card.get_by_role("button", name="Delete").click()
    expect(card).to_have_count(0)
