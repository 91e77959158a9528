"""The summary of `make fuzz` names what was never answered with success."""

from typing import Any

from tests.fuzz import list_never_succeeded

DOCUMENT = {
    "paths": {
        "/jobs/{id}": {"get": {}, "patch": {}},
        "/jobs/{id}/plot.{format}": {"get": {}},
        "/jobs/{id}/events": {"get": {}},
    }
}


def asked(method: str, path: str, status: int) -> dict[str, Any]:
    return {"request": {"method": method, "url": f"http://host:1{path}"}, "response": {"status": status}}


def test_an_operation_that_never_succeeded_is_named_with_its_answers() -> None:
    entries = [
        asked("GET", "/jobs/1?wait_s=0", 404),
        asked("GET", "/jobs/2", 200),
        asked("PATCH", "/jobs/1", 422),
        asked("PATCH", "/jobs/2", 422),
        asked("GET", "/jobs/1/plot.svg", 200),
        asked("DELETE", "/jobs/1", 405),
    ]

    assert list_never_succeeded(DOCUMENT, {"log": {"entries": entries}}) == ["PATCH /jobs/{id}: {422: 2}"]
