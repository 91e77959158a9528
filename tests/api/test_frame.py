"""The limit on bodies holds while they arrive, not after."""

import anyio
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from api.frame import Frame

CHUNK = b" " * 1000


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

    scope = {"type": "http", "headers": headers}
    with pytest.raises(HTTPException, match="larger than 10000 bytes"):
        anyio.run(Frame(reads_everything, max_body_bytes=10_000), scope, endless, nowhere)
    return taken


def test_an_endless_body_is_refused_as_soon_as_it_is_too_large() -> None:
    assert chunks_taken([]) == 11


def test_a_body_that_declares_too_much_is_not_read_at_all() -> None:
    assert chunks_taken([(b"content-length", b"50000000")]) == 0


def test_a_body_that_declares_less_than_it_sends_is_refused_too() -> None:
    assert chunks_taken([(b"content-length", b"5")]) == 11
