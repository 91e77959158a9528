"""One range test in the browser: asked for, watched, read, taken away."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import httpx2
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from benchmarks.quality.small import SMALL
from clr.plots.style import PALETTE
from clr.training.setup import Setup
from clr_tuner.client import Client
from clr_tuner.here.run import plan_test, run_range_test
from clr_tuner.range_test import RangeTest
from tests.browser.pages import chart

LOSS = "Training loss against the learning rate"
ACCURACY = "Held-out accuracy against the learning rate"
COPIED = {
    "torch": "CyclicLR(",
    "Keras": "keras.callbacks",
    "Lightning": "with_schedule",
    "Transformers": "Trainer(",
}


@pytest.fixture(scope="session")
def job(client: Client) -> RangeTest:
    """A quick one that has found its bounds."""
    return client.range_test("digits-mlp", effort="quick", name="a look").wait()


@pytest.fixture(scope="session")
def probed(client: Client) -> RangeTest:
    """A quick one of a regression on 320 patients for a long training, measured here."""
    config = {"params": {}, "optimizer": {"name": "Adam"}, "batch_size": 8}
    setup = Setup.of(config, SMALL["diabetes-320"], device="cpu")
    report = client.range_test_here("patients")
    training = {"policy": "one_cycle", "num_steps": 5120}
    test = plan_test(setup.optimizer, effort="quick")
    run_range_test(test, setup, report, training=training, show=lambda *_: None)
    return report.job


@pytest.fixture
def found(page: Page, job: RangeTest) -> Page:
    """Its page, once the curve is drawn."""
    page.goto(f"/pages/range-tests/{job.id}")
    expect(chart(page, LOSS)).to_be_visible()
    return page


@pytest.fixture
def dark(chromium: Browser, service: str, job: RangeTest) -> Iterator[Page]:
    """The same for who reads light on dark."""
    with chromium.new_context(base_url=service, color_scheme="dark") as context:
        page = context.new_page()
        page.goto(f"/pages/range-tests/{job.id}")
        expect(chart(page, LOSS)).to_be_visible()
        yield page


def say_in_legend(service: str, path: str) -> list[str]:
    """What the legend of the service's own picture says, but for the seeds, which the page names elsewhere."""
    picture = ElementTree.fromstring(httpx2.get(f"{service}{path}/plot.svg", timeout=60).content)
    legend = picture.find(".//*[@id='legend_1']")
    assert legend is not None
    said = ["".join(text.itertext()).strip() for text in legend.iter("{http://www.w3.org/2000/svg}text")]
    return [text for text in said if not text.startswith("seed")]


def bare(text: str) -> str:
    """Without its numbers, which both round as they have room."""
    return re.sub(r"\d[\d.,e-]*", "#", text)


def test_a_range_test_shows_its_bounds_and_its_curve(page: Page, job: RangeTest) -> None:
    bounds = job.bounds()

    page.goto("/")
    page.get_by_role("link", name="a look").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("a look")
    expect(page.get_by_text(f"Cycle between {bounds.base_lr:.4g}")).to_be_visible()
    expect(page.get_by_text(bounds.reason_max)).to_be_visible()
    expect(page.get_by_role("img", name=LOSS)).to_be_visible()
    expect(page.get_by_label("Scout: exponential")).to_be_checked()


@pytest.mark.parametrize("name", ["range-test", "training-job"])
def test_the_page_has_the_words_of_the_picture(
    page: Page, service: str, shown: dict[str, str], name: str
) -> None:
    page.goto(shown[name])
    expect(page.locator("figure ul.legend li").first).to_be_visible()

    words = [bare(text) for text in page.locator("figure ul.legend li").all_inner_texts()]
    legend = [bare(text) for text in say_in_legend(service, shown[name].removeprefix("/pages"))]
    assert len(legend) > 3
    assert [text for text in legend if not any(word.startswith(text.rstrip("…")) for word in words)] == []


def test_a_probe_has_the_name_and_the_colour_of_the_picture(
    page: Page, service: str, probed: RangeTest
) -> None:
    page.goto(f"/pages/range-tests/{probed.id}")

    [name] = [said for said in say_in_legend(service, f"/range-tests/{probed.id}") if "robe" in said]
    key = page.locator(".legend .check").filter(has_text=f"{name}: linear").locator(".key")
    expect(key).to_have_css("color", f"rgb{tuple(bytes.fromhex(PALETTE[-1][1:]))}")


def test_the_rates_for_the_training_that_was_told_are_explained(page: Page, probed: RangeTest) -> None:
    rates = probed.bounds().for_budget
    assert rates is not None

    page.goto(f"/pages/range-tests/{probed.id}")

    expect(page.get_by_text(f"For {rates['num_steps']:,} steps of one_cycle: between")).to_be_visible()
    expect(page.get_by_text(f"(turn). {rates['reason']}.")).to_be_visible()


def test_each_framework_has_code_to_copy(found: Page, job: RangeTest) -> None:
    found.context.grant_permissions(["clipboard-read", "clipboard-write"])

    for framework, code in COPIED.items():
        found.get_by_role("button", name=f"Copy {framework} code").click()
        expect(found.get_by_label("code to copy")).to_contain_text(code)
        expect(found.get_by_role("button", name="Copied")).to_be_visible()
        assert code in found.evaluate("navigator.clipboard.readText()")
        expect(found.get_by_role("button", name="Copied")).to_have_count(0)
    found.get_by_role("button", name="Copy as JSON").click()
    expect(found.get_by_role("button", name="Copied")).to_be_visible()
    assert f'"max_lr": {job.bounds().max_lr}' in found.evaluate("navigator.clipboard.readText()")


def test_a_chart_is_saved_on_white_with_its_title_and_legend(dark: Page) -> None:
    drawn = dark.evaluate(
        "(() => { const { width, height } = document.querySelector('.place canvas'); return [width, height]; })()"
    )
    with dark.expect_download() as download:
        chart(dark, LOSS).get_by_role("button", name="PNG").click()

    picture = Image.open(io.BytesIO(Path(download.value.path()).read_bytes())).convert("RGB")
    assert download.value.suggested_filename == "training-loss-against-the-learning-rate.png"
    assert picture.getpixel((2, 2)) == (255, 255, 255)
    assert picture.height > drawn[1] + 60
    assert dark.evaluate("document.documentElement.className") == ""


def test_both_charts_say_what_is_under_one_pointer(found: Page) -> None:
    chart(found, LOSS).locator(".u-over").hover()

    readings = [chart(found, title).locator(".reading") for title in (LOSS, ACCURACY)]
    for reading in readings:
        expect(reading).to_contain_text("learning rate")
    rates = {text.split(" · ")[0] for text in (reading.inner_text() for reading in readings)}
    assert len(rates) == 1


def test_keys_zoom_and_move_both_charts(found: Page) -> None:
    show_all = [chart(found, title).get_by_role("button", name="Show all") for title in (LOSS, ACCURACY)]
    found.get_by_role("img", name=LOSS).focus()

    for key in ("+", "+", "ArrowRight"):
        found.keyboard.press(key)
    for button in show_all:
        expect(button).to_be_visible()

    found.keyboard.press("0")
    for button in show_all:
        expect(button).to_be_hidden()


def test_every_look_stands_in_a_table(found: Page) -> None:
    found.get_by_text("The curve as a table").click()

    expect(found.get_by_role("table", name="Looks at the held-out set")).to_contain_text("scout")
    expect(found.get_by_role("table", name="Training loss, each batch")).to_contain_text("scout")


def test_what_is_printed_is_dark_on_light(dark: Page) -> None:
    blue = "() => getComputedStyle(document.documentElement).getPropertyValue('--line-1').trim()"
    assert dark.evaluate(blue) == "#56b4e9"

    dark.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert dark.evaluate(blue) == "#0072b2"

    dark.evaluate("dispatchEvent(new Event('afterprint'))")
    assert dark.evaluate(blue) == "#56b4e9"
