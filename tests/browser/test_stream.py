"""A page hears every point once, whatever becomes of its tab and of the service."""

from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Browser, Page, expect

from clr_tuner.embedded.ports import find_free_port
from tests.browser.pages import chart, wait_for_points
from tests.serve import Serve

LOSS = "Loss against the step"
TRAINING: dict[str, Any] = {
    "driver": "client",
    "name": "told by hand",
    "optimizer": "SGD",
    "schedule": {"policy": "fixed", "lr": 0.1},
    "num_steps": 400,
    "steps_per_epoch": 40,
}
HIDE = """(isHidden) => {
    Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


class Training:
    """A training that this test measures: a step at a time, when it wants to."""

    def __init__(self, url: str) -> None:
        self.place = str(httpx2.post(f"{url}/training-jobs", json=TRAINING).json()["links"]["self"])
        self.path = f"{url}{self.place}"
        asked = httpx2.post(f"{self.path}/ask", json={"client_id": "a test"}).json()
        self.token, self.steps = asked["lease"]["token"], 0

    def report(self, count: int) -> None:
        """Tell so many losses more."""
        body = {"token": self.token, "from_step": self.steps, "loss": [2.0] * count}
        answer = httpx2.put(f"{self.path}/sweeps/0/points", json=body)
        assert answer.status_code == 200, answer.text
        self.steps += count


def expect_points(page: Page, count: int) -> None:
    expect(chart(page, LOSS)).to_have_attribute("data-points", str(count))


def test_a_service_that_was_killed_goes_on_without_a_gap(chromium: Browser, tmp_path: Path) -> None:
    port, page = find_free_port("127.0.0.1"), chromium.new_page()  # its console tells of what does not answer
    with Serve(tmp_path, port=port) as killed:
        training = Training(killed.url)
        training.report(30)
        page.goto(f"{killed.url}/pages{training.place}")
        expect_points(page, 30)
        killed.kill()
    expect(page.get_by_role("alert").filter(has_text="connect")).to_be_visible()

    with Serve(tmp_path, port=port):
        training.report(25)
        expect_points(page, 55)
        training.report(5)
        expect_points(page, 60)
    page.close()


def test_a_hidden_tab_hears_nothing_and_catches_up(page: Page, service: str) -> None:
    training = Training(service)
    training.report(10)
    page.goto(f"/pages{training.place}")
    expect_points(page, 10)

    with page.expect_event("requestfailed", lambda request: "/events" in request.url):
        page.evaluate(HIDE, True)
    training.report(7)
    with page.expect_request(lambda request: "last_event_id" in request.url):
        page.evaluate(HIDE, False)

    expect_points(page, 17)
    assert wait_for_points(page, LOSS) == 17
