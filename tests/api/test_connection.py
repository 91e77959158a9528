"""A real server, and callers that let it wait: each is ended in time, and nobody is kept from being served."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Thread

import httpx2
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from api.connection import GRACE_S, REFUSED, Connection
from clr_tuner.embedded.programs import api_command
from store.settings import get_settings
from tests.machine import slowed

HEAD = b"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
Start = Callable[..., int]


class Door:
    """An app that reads a body at /body and keeps its answer to /slow back until it is opened."""

    def __init__(self) -> None:
        self.entered, self._open = 0, Event()

    def open(self) -> None:
        """Let the answers go."""
        self._open.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["path"] == "/body":
            while (message := await receive()).get("more_body"):
                pass
            if message["type"] == "http.disconnect":
                return
        if scope["path"] == "/slow":
            self.entered += 1
            while not self._open.is_set():
                await asyncio.sleep(0.01)
        headers = [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"here"})


@contextmanager
def serving(app: Door) -> Iterator[int]:
    """The app on a port of its own, by uvicorn."""
    config = uvicorn.Config(app, http=Connection, ws="none", lifespan="off", log_config=None)
    server, listener = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        app.open()
        server.should_exit = True
        thread.join()


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def start(door: Door, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Serve the door under some settings."""
    with ExitStack() as stack:

        def begin(**settings: float) -> int:
            for name, value in settings.items():
                monkeypatch.setenv(f"CLR_{name.upper()}", str(value))
            get_settings.cache_clear()
            return stack.enter_context(serving(door))

        yield begin
    get_settings.cache_clear()


def until_the_end(caller: socket.socket) -> bytes:
    """All that is answered, until the other side closes."""
    caller.settimeout(10)
    said = b""
    while chunk := caller.recv(4096):
        said += chunk
    return said


def dribble(caller: socket.socket, data: bytes) -> bytes:
    """Send a byte now and then; all that is answered."""
    for byte in data:
        caller.send(bytes([byte]))
        caller.settimeout(0.05)
        with suppress(TimeoutError):
            return caller.recv(4096) + until_the_end(caller)
    return until_the_end(caller)


@pytest.mark.parametrize("sent", [b"", HEAD], ids=["head", "body"])
def test_who_dribbles_is_told_so_in_time(start: Start, sent: bytes) -> None:
    timeout_s = slowed(1.0)
    port, began = start(request_timeout_s=timeout_s), time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.send(sent)
        said = dribble(caller, b"GET /" if not sent else b" " * 5)  # a byte that crosses the answer resets it

    assert said.startswith(b"HTTP/1.1 408 ")
    assert b'"code": "request_timeout"' in said
    assert time.monotonic() - began >= timeout_s


def test_who_says_nothing_is_let_go(start: Start) -> None:
    port = start(request_timeout_s=0.2, idle_timeout_s=0.2)
    with socket.create_connection(("127.0.0.1", port)) as silent:
        assert until_the_end(silent) == b""
    with socket.create_connection(("127.0.0.1", port)) as served:
        served.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")

        assert until_the_end(served).startswith(b"HTTP/1.1 200 ")


def test_a_slow_answer_has_no_deadline(start: Start, door: Door) -> None:
    port = start(request_timeout_s=0.1, idle_timeout_s=0.1)
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.send(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        caller.settimeout(0.4)
        with pytest.raises(TimeoutError):
            caller.recv(1)
        door.open()

        assert until_the_end(caller).startswith(b"HTTP/1.1 200 ")


def test_three_hundred_who_say_nothing_keep_nobody_waiting(start: Start) -> None:
    port = start(max_connections=400)
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(socket.create_connection(("127.0.0.1", port))).send(b"GET / HT")

        assert httpx2.get(f"http://127.0.0.1:{port}/").text == "here"


def test_where_all_are_answered_one_more_is_told_to_come_again(start: Start, door: Door) -> None:
    port = start(max_connections=3)
    with ExitStack() as stack:
        for _ in range(3):
            caller = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            caller.send(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while door.entered < 3:
            pass
        answer = httpx2.get(f"http://127.0.0.1:{port}/")

    assert (answer.status_code, answer.json()["code"]) == (503, "too_many_connections")
    assert answer.headers["Retry-After"] == "5"


def test_who_waits_longest_for_nothing_makes_room(start: Start) -> None:
    port = start(max_connections=3)
    with ExitStack() as stack:
        oldest, *_ = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(3)]
        oldest.send(b"GET / HT")
        oldest.settimeout(GRACE_S + 0.2)
        with pytest.raises(TimeoutError):
            oldest.recv(1)
        answer = httpx2.get(f"http://127.0.0.1:{port}/")

        assert answer.status_code == 200
        assert until_the_end(oldest).startswith(b"HTTP/1.1 408 ")


def test_they_make_room_however_many_they_are(start: Start) -> None:
    port = start(max_connections=3)
    with ExitStack() as stack:
        first, *_ = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(3 + 2 * REFUSED)
        ]
        first.settimeout(GRACE_S + 0.2)
        with pytest.raises(TimeoutError):
            first.recv(1)

        assert httpx2.get(f"http://127.0.0.1:{port}/").status_code == 200


def test_what_is_no_http_is_a_problem(start: Start) -> None:
    with socket.create_connection(("127.0.0.1", start())) as caller:
        caller.send(b"\x16\x03\x01\x02\x00\x01\r\n\r\n")

        assert b'"code": "malformed_request"' in until_the_end(caller)


def test_the_service_is_started_with_it() -> None:
    command = api_command("127.0.0.1", 8000)

    assert command[command.index("--http") + 1] == f"{Connection.__module__}:{Connection.__name__}"
