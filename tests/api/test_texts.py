"""What callers name things cannot steer a log, a terminal or a table, and looks alike only if it is alike."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.conftest import fresh_database

pytestmark = pytest.mark.usefixtures("catalogue")

COMPOSED, LOOSE = "caf\u00e9", "cafe\u0301"


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Nothing here depends on the database."""
    with fresh_database("sqlite", tmp_path, request) as url:
        yield url


@pytest.mark.parametrize(
    "text", ["a\nERROR b", "\x1b[2J", "a\tb", "a\x7f", "a\x9bb", "evil\u202etxt", "\u2066a", "a\u2028b"]
)
@pytest.mark.parametrize(
    ("field", "pointer"),
    [({"name": "@"}, "/name"), ({"tags": ["@"]}, "/tags/0"), ({"workload": "@"}, "/workload")],
)
def test_a_name_is_one_line(api: TestClient, field: dict[str, Any], pointer: str, text: str) -> None:
    given = {name: [text] if isinstance(value, list) else text for name, value in field.items()}

    answer = api.post("/range-tests", json={"workload": "digits"} | given)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert "must be one line of text" in answer.json()["detail"]


def test_names_and_tags_are_composed_and_found_either_way(api: TestClient) -> None:
    body = {"workload": "digits", "name": LOOSE, "tags": [LOOSE]}
    job = api.post("/range-tests", json=body).json()

    assert (job["name"], job["tags"]) == (COMPOSED, [COMPOSED])
    for tag in (COMPOSED, LOOSE):
        [found] = api.get("/jobs", params={"tag": tag}).json()["items"]
        assert found["id"] == job["id"]


def test_a_name_that_grows_when_it_is_composed_is_measured_as_stored(api: TestClient) -> None:
    grows = "\ufb2c"
    assert len(unicodedata.normalize("NFC", grows)) == 3

    answer = api.post("/range-tests", json={"workload": "digits", "name": grows * 100})

    assert answer.status_code == 422
