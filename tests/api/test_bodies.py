"""A body that is no JSON object is told where it breaks; a name in it that is none, what was meant."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.conftest import fresh_database

pytestmark = pytest.mark.usefixtures("catalogue")

JSON = {"Content-Type": "application/json"}
GOOD = '{"workload": "digits", "name": "é"}'


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Nothing here depends on the database."""
    with fresh_database("sqlite", tmp_path, request) as url:
        yield url


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            b'{"workload": "digits"\n "seed": 1}',
            "line 2, column 2: Expecting ',' delimiter; found '\"seed\": 1}'",
        ),
        (b"{'workload': 'digits'}", "line 1, column 2: Expecting property name"),
        (b"{'workload': 'digits'}", "JSON has double quotes"),
        (b'{"workload": "digits",}', "no comma may stand before it"),
        (b'{"workload": True}', "JSON has true, false and null"),
        (b'{"workload": "digits"', "the text ends there"),
        (b'{"workload": "digits"} {}', "column 24: Extra data"),
        (GOOD.encode("latin-1"), "it is not UTF-8: byte 0xe9 at position 32"),
        (b'{"seed": 1, "seed": 2}', "the key 'seed' stands twice in one object"),
        (b'{"params": {"width": 1, "width": 2}}', "the key 'width' stands twice in one object"),
        (b"[" * 99_999, "nested too deeply"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "a number of too many digits"),
    ],
)
def test_broken_json_is_told_where_it_breaks(api: TestClient, content: bytes, told: str) -> None:
    answer = api.post("/range-tests", content=content, headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
    assert told in answer.json()["detail"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_a_body_may_have_any_unicode_encoding(api: TestClient, encoding: str) -> None:
    answer = api.post("/range-tests", content=GOOD.encode(encoding), headers=JSON)

    assert answer.status_code == 202
    assert answer.json()["name"] == "é"


@pytest.mark.parametrize(
    ("content", "headers", "status", "told"),
    [
        (b"", JSON, 422, "the body: is empty: send a JSON object"),
        (b"", {}, 422, "the body: is empty: send a JSON object"),
        (b"[]", JSON, 422, "must be a JSON object, not a list"),
        (b'"{}"', JSON, 422, "must be a JSON object, not a text"),
        (b"null", JSON, 422, "must be a JSON object, not null"),
        (b"3", JSON, 422, "must be a JSON object, not a number"),
        (b"{}", {}, 415, "the body came without a Content-Type: send it as Content-Type: application/json"),
        (b"{}", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "came as application/x-www-form"),
    ],
)
def test_a_body_of_another_kind_is_told_what_it_must_be(
    api: TestClient, content: bytes, headers: dict[str, str], status: int, told: str
) -> None:
    for path in ("/range-tests", "/training-jobs", "/comparisons", "/schedules/preview"):
        answer = api.post(path, content=content, headers=headers)

        assert answer.status_code == status
        assert told in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "pointer", "told"),
    [
        (
            "/range-tests",
            {"workload": "digit"},
            "/workload",
            "unknown workload 'digit'; did you mean digits?",
        ),
        ("/range-tests", {"workload": "digit"}, "/workload", "is published when its worker is restarted"),
        ("/range-tests", {"efort": "quick"}, "/efort", "did you mean effort?"),
        ("/range-tests", {"effort": "quik"}, "/effort", "did you mean quick? must be one of quick, standard"),
        ("/range-tests", {"optimizer": {"name": "adan"}}, "/optimizer/name", "did you mean Adam?"),
        (
            "/range-tests",
            {"optimizer": {"name": "AdamW", "momentum": 0.9}},
            "/optimizer/momentum",
            "use betas",
        ),
        ("/range-tests", {"optimizer": {"name": "adam", "beta1": 0.9}}, "/optimizer/beta1", "use betas"),
        (
            "/range-tests",
            {"optimizer": {"name": "SGD", "betas": [0.9, 0.99]}},
            "/optimizer/betas",
            "use momentum",
        ),
        (
            "/training-jobs",
            {"schedule": {"policy": "triangle"}},
            "/schedule/policy",
            "did you mean triangular?",
        ),
        (
            "/training-jobs",
            {"schedule": {"policy": "hann", "stepsize": 3}},
            "/schedule/stepsize",
            "step_size?",
        ),
        ("/training-jobs", {"precision": "bf16"}, "/precision", "did you mean bfloat16?"),
        ("/schedules/preview", {"schedule": {"policy": "Sgdr"}}, "/schedule/policy", "did you mean sgdr?"),
        (
            "/schedules/preview",
            {
                "schedule": {
                    "policy": "staged",
                    "stages": [{"start": 0, "end": 9, "schedule": {"policy": "fixd"}}],
                }
            },
            "/schedule/stages/0/schedule/policy",
            "did you mean fixed?",
        ),
        (
            "/comparisons",
            {"preset": "papre"},
            "/preset",
            "did you mean paper? must be one of paper, adaptive",
        ),
        (
            "/comparisons",
            {"entries": [{"schedule": {"policy": "fixed"}, "optimiser": {"name": "Adam"}}]},
            "/entries/0/optimiser",
            "did you mean optimizer?",
        ),
    ],
)
def test_a_misspelled_name_is_told_what_was_meant(
    api: TestClient, path: str, body: dict[str, Any], pointer: str, told: str
) -> None:
    needed = {"num_steps": 10} if path == "/schedules/preview" else {"workload": "digits"}
    answer = api.post(path, json=needed | body)

    assert answer.status_code == 422
    messages = {error["pointer"]: error["message"] for error in answer.json()["errors"]}
    assert told in messages[pointer]


def test_a_workload_that_is_none_is_told_what_was_meant(api: TestClient) -> None:
    answer = api.get("/workloads/Digit")

    assert answer.status_code == 404
    assert "did you mean digits?" in answer.json()["detail"]
