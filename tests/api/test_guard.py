"""What is refused before its body is read, and what every answer tells a browser."""

from collections.abc import Iterator

import anyio
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from starlette.types import Message

from api.app import create_app
from store.settings import Settings
from tests.api.early import SETTLED_EARLY

SECRET = "a-long-secret"


@pytest.fixture
def keyed(api_settings: Settings) -> Iterator[TestClient]:
    """A client of a service with keys."""
    with TestClient(create_app(api_settings.model_copy(update={"api_keys": [SecretStr(SECRET)]}))) as client:
        yield client


@SETTLED_EARLY
@pytest.mark.parametrize("path", ["/range-tests", "/analyses", "/schedules/preview"])
def test_the_body_of_a_caller_without_a_key_is_not_read(keyed: TestClient, path: str) -> None:
    said: list[Message] = []

    async def unread() -> Message:
        raise AssertionError("it was read")

    async def hear(message: Message) -> None:
        said.append(message)

    headers = [(b"host", b"testserver"), (b"content-length", b"1000000")]
    scope = {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b""}
    anyio.run(keyed.app, scope, unread, hear)

    assert said[0]["status"] == 401


@SETTLED_EARLY
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_body_of_two_lengths_ends_its_connection(api: TestClient, method: str) -> None:
    lengths = {"Content-Length": "4", "Transfer-Encoding": "chunked"}

    answer = api.request(method, "/schedules/preview", content=b"{}", headers=lengths)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_request")
    assert answer.headers["Connection"] == "close"


@SETTLED_EARLY
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver:81"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://testserver"},
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_page_of_another_site_changes_nothing(
    api: TestClient, method: str, headers: dict[str, str]
) -> None:
    answer = api.request(method, "/schedules/preview", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")


@SETTLED_EARLY
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://testserver"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind-a-proxy.example"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_page_of_our_own_and_a_program_are_served(api: TestClient, headers: dict[str, str]) -> None:
    asked = {"schedule": {"policy": "fixed", "lr": 0.1}, "num_steps": 2}

    assert api.post("/schedules/preview", json=asked, headers=headers).status_code == 200


def test_a_page_of_another_site_that_has_a_key_is_a_program(keyed: TestClient) -> None:
    headers = {"Origin": "https://ours.example", "Authorization": f"Bearer {SECRET}"}
    asked = {"schedule": {"policy": "fixed", "lr": 0.1}, "num_steps": 2}

    assert keyed.post("/schedules/preview", json=asked, headers=headers).status_code == 200


@SETTLED_EARLY
@pytest.mark.parametrize("path", ["/jobs", "/healthz", "/metrics", "/openapi.json", "/nowhere"])
def test_every_answer_lets_a_browser_do_nothing_with_it(api: TestClient, path: str) -> None:
    headers = api.get(path).headers

    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert (headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
