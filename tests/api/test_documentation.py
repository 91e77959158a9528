"""The page of the API comes from our own files, which are those that were published."""

import re
from hashlib import sha256

import pytest
from fastapi.testclient import TestClient

from api.documentation import FOLDER
from tests.api.early import SETTLED_EARLY

PUBLISHED = {
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_not_ours_is_as_it_was_published(name: str) -> None:
    assert sha256((FOLDER / name).read_bytes()).hexdigest() == PUBLISHED[name]


def test_the_page_asks_nobody_else_and_has_no_script_in_it(api: TestClient) -> None:
    page = api.get("/docs")

    assert "//" not in page.text
    assert not re.search(r"<script>|\son\w+=|style=", page.text)
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    for asked in re.findall(r'(?:src|href)="(docs/[^"]*)"', page.text):
        file = api.get(f"/{asked}")
        assert file.status_code == 200
        assert file.headers["Content-Type"].partition(";")[0] in ("text/javascript", "text/css")


@SETTLED_EARLY
@pytest.mark.parametrize("name", ["index.html", "..%2Fapp.py", "nothing.js", "LICENSE"])
def test_nothing_else_is_served_from_there(api: TestClient, name: str) -> None:
    assert api.get(f"/docs/{name}").status_code == 404


def test_there_is_one_page_of_them(api: TestClient) -> None:
    assert api.get("/redoc").status_code == 404
