"""A connection of uvicorn's that ends where its caller lets it wait, so that nobody holds one for ever.

`uvicorn --http api.connection:Connection`. What a caller owes is a request: its head, and then its body, each within
`CLR_REQUEST_TIMEOUT_S`. What we owe, a slow answer or an endless stream of events, has no deadline here.
"""

import asyncio
import json
from http import HTTPStatus
from typing import Any

import h11
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from store.settings import get_settings

GRACE_S = 1.0  # a connection that waits no longer than this is not closed in favour of another
REFUSED = 50  # connections beyond the cap that are told so; further ones are closed at once
RETRY_S = 5
OWES = (h11.IDLE, h11.SEND_BODY)


class Connection(H11Protocol):
    """uvicorn's, with a deadline for what the caller owes and a cap on how many there are.

    At the cap the one that has waited longest for its caller makes room; where all are being answered, the new one
    is told 503.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        settings = get_settings()
        self.timeout_keep_alive = settings.idle_timeout_s  # type: ignore[assignment]
        self._patience_s, self._most = settings.request_timeout_s, settings.max_connections
        self._deadline: asyncio.TimerHandle | None = None
        self._owed: object = None  # what the deadline is for
        self._owes_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, or refuse it."""
        super().connection_made(transport)
        over = len(self.connections) - self._most
        if over > 0 and not self._make_room():
            if over > REFUSED:
                transport.abort()
            else:
                self.app = _say_full
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._forget()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(400, "malformed_request", "this is no HTTP request that can be read")

    @property
    def _waited_s(self) -> float:
        """How long we have waited for the caller."""
        return self.loop.time() - self._owes_since if self._deadline else 0.0

    def _watch(self) -> None:
        """Have the deadline stand for what the caller owes now, if anything."""
        owed = (self.cycle, self.conn.their_state)
        if owed == self._owed:
            return
        self._forget()
        if self.conn.their_state in OWES and not self.transport.is_closing():
            self._owed = owed
            self._owes_since = self.loop.time()
            self._deadline = self.loop.call_later(self._patience_s, self._give_up)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._owed = None

    def _give_up(self) -> None:
        if self.flow.read_paused:  # it is us who do not read
            self._forget()
            self._watch()
            return
        self._end()

    def _end(self) -> None:
        """Tell the caller that it was too slow, if it began a request; close."""
        self._forget()
        began = self.conn.their_state is h11.SEND_BODY or bool(self.conn.trailing_data[0])
        if began and self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            advice = f"send head and body of a request within {self._patience_s:g} s each"
            self._refuse(408, "request_timeout", f"the request did not arrive in time: {advice}")
        else:
            self.transport.close()
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _make_room(self) -> bool:
        """End the connection that has waited longest for its caller; whether there was one."""
        longest = max((each for each in self.connections if isinstance(each, Connection)), key=_waited)
        if longest._waited_s <= GRACE_S:
            return False
        longest._end()
        return True

    def _refuse(self, status: int, code: str, detail: str) -> None:
        body = _describe(status, code, detail)
        head = h11.Response(
            status_code=status, headers=_headers(body), reason=HTTPStatus(status).phrase.encode()
        )
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def _waited(connection: Connection) -> float:
    return connection._waited_s


async def _say_full(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """The app of a connection that is one too many."""
    body = _describe(503, "too_many_connections", f"all connections are in use; try again in {RETRY_S} s")
    headers = [*_headers(body), (b"retry-after", str(RETRY_S).encode())]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _describe(status: int, code: str, detail: str) -> bytes:
    problem = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    return json.dumps(problem | {"detail": detail, "code": code}).encode()


def _headers(body: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
