"""Every request has a line in the log; the limit on bodies holds while they arrive, not after."""

import logging
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from api.app import create_app
from api.middleware import RequestMiddleware
from store.settings import Settings

CHUNK = b" " * 1000

Lines = Callable[[], list[dict[str, Any]]]


async def reads_everything(scope: Scope, receive: Receive, send: Send) -> None:
    await Request(scope, receive).body()


async def nowhere(message: Message) -> None:
    pass


def chunks_taken(headers: list[tuple[bytes, bytes]]) -> int:
    """How many chunks of an endless body are taken before it is refused as larger than 10 chunks."""
    taken = 0

    async def endless() -> Message:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": CHUNK, "more_body": True}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    with pytest.raises(HTTPException, match="larger than 10000 bytes"):
        anyio.run(RequestMiddleware(reads_everything, max_body_bytes=10_000), scope, endless, nowhere)
    return taken


def test_an_endless_body_is_refused_as_soon_as_it_is_too_large() -> None:
    assert chunks_taken([]) == 11


def test_a_body_that_declares_too_much_is_not_read_at_all() -> None:
    assert chunks_taken([(b"content-length", b"50000000")]) == 0


def test_a_body_that_declares_less_than_it_sends_is_refused_too() -> None:
    assert chunks_taken([(b"content-length", b"5")]) == 11


def test_a_request_is_one_line_with_its_id(api: TestClient, log_lines: Lines) -> None:
    api.head("/range-tests", params={"status": "failed"}, headers={"X-Request-ID": "trace-1"})

    (line,) = [line for line in log_lines() if line["logger"] == "api.middleware"]
    took_ms = line["duration_ms"]
    assert line["message"] == f"HEAD /range-tests 200 in {took_ms} ms for testclient"
    assert (line["method"], line["path"], line["status"]) == ("HEAD", "/range-tests", 200)
    assert 0 < took_ms < 10_000
    assert (line["level"], line["request_id"]) == ("INFO", "trace-1")


def test_a_path_cannot_begin_a_line_of_its_own(api: TestClient, log_lines: Lines) -> None:
    api.get("/no%0AERROR how")

    (line,) = [line for line in log_lines() if line["logger"] == "api.middleware"]
    assert line["path"] == "/no%0AERROR%20how"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_whoever_asks_for_health_all_day_does_not_fill_the_log(
    api: TestClient, log_lines: Lines, path: str
) -> None:
    api.get(path)

    assert [line["level"] for line in log_lines() if line["logger"] == "api.middleware"] == ["DEBUG"]


def test_all_that_is_logged_for_a_request_has_its_id(api_settings: Settings, log_lines: Lines) -> None:
    app = create_app(api_settings)

    @app.get("/boom")
    def boom() -> None:
        logging.getLogger("a.library").info("in a thread of the pool")
        raise RuntimeError("a secret")

    with TestClient(app, raise_server_exceptions=False) as api:
        api.get("/boom", headers={"X-Request-ID": "trace-1"})
        api.get("/healthz", headers={"X-Request-ID": "trace-2"})

    ids = {
        line["message"]: line["request_id"]
        for line in log_lines()
        if line["logger"] in ("a.library", "api.errors", "api.middleware")
    }
    assert [message.partition(" in ")[0] for message in ids] == [
        "in a thread of the pool",
        "GET /boom 500",
        "RuntimeError('a secret')",
        "GET /healthz 200",
    ]
    assert list(ids.values()) == ["trace-1"] * 3 + ["trace-2"]
