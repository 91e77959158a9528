"""The shells of the web page: what they may load, and what they leave alone."""

import hashlib
import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import pages.routes
from pages.routes import PAGES, add_pages

STATIC = Path(pages.routes.__file__).parent / "static"
VENDORED = {  # npm's uplot 1.6.32, MIT
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uPlot.LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
MOST_BYTES = 200_000


@pytest.fixture(scope="module")
def browser() -> TestClient:
    """An application that is nothing but the page, behind a proxy that gave it a folder."""
    app = FastAPI()
    add_pages(app)
    return TestClient(app, root_path="/behind")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_no_script_but_its_own_files(browser: TestClient, path: str) -> None:
    answer = browser.get(f"/behind{path}".format(id="<script>"))

    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert re.findall(r"<script(?![^>]* src=)|<style| on\w+=| style=", answer.text) == []
    assert re.findall(r'(?:src|href)="(?!/behind/|#)[^"]*', answer.text) == []


def test_every_page_has_its_module(browser: TestClient) -> None:
    for module, _ in PAGES.values():
        answer = browser.get(f"/behind/pages/static/{module}.js")
        assert answer.status_code == 200, module
        assert answer.headers["Cache-Control"] == "no-cache"


def test_a_page_asks_at_once_for_all_that_its_module_imports(browser: TestClient) -> None:
    for path, (module, _) in PAGES.items():
        shell = browser.get(f"/behind{path}").text
        told = {module, *re.findall(r'modulepreload" href="/behind/pages/static/(\w+)\.js"', shell)}
        needed = {
            part
            for each in told
            for part in re.findall(r'from "\./(.*)\.js"', (STATIC / f"{each}.js").read_text())
        }
        assert told == needed | {module}, path
        assert ("uPlot.iife.min.js" in shell) == ("chart" in needed), path


def test_what_is_vendored_is_what_was_published() -> None:
    held = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in STATIC.glob("vendor/*")}

    assert held == VENDORED


def find_modules(name: str) -> set[str]:
    """A module with all that it imports."""
    found: set[str] = set()
    waiting = {name}
    while waiting:
        found |= (module := {waiting.pop()})
        text = (STATIC / f"{min(module)}.js").read_text()
        waiting |= set(re.findall(r'^import .* from "\./(\w+)\.js"', text, re.MULTILINE)) - found
    return found


def test_the_pages_own_files_are_light() -> None:
    assert sum(file.stat().st_size for file in STATIC.glob("*.*")) < MOST_BYTES


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_little_with_what_is_vendored(browser: TestClient, path: str) -> None:
    shell = browser.get(f"/behind{path}".format(id="x")).text
    assets = re.findall(r'/pages/static/((?:vendor/)?[\w.]+\.(?:css|min\.js|svg))"', shell)
    modules = [f"{name}.js" for name in find_modules(PAGES[path][0])]

    assert sum((STATIC / name).stat().st_size for name in assets + modules) + len(shell) < MOST_BYTES


def test_no_module_makes_markup_out_of_words() -> None:
    for module in STATIC.glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", module.read_text()
        ), module
        assert len(module.read_text().splitlines()) < 300, module
