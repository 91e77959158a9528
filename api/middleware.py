"""What surrounds every request: its id, its line in the log, the limit on its body, HEAD for whatever can be got."""

import logging
import re
import time
from urllib.parse import quote
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from store import logs

log = logging.getLogger(__name__)

REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
OF_DATA = "default-src 'none'; frame-ancestors 'none'"
OF_PICTURES = f"{OF_DATA}; style-src 'unsafe-inline'; sandbox"  # matplotlib's have a style of their own
ASKED_OFTEN = ("/healthz", "/readyz")  # logged at DEBUG


class RequestMiddleware:
    """ASGI middleware: names the request, by the caller's own X-Request-ID if it is sane, and refuses a body
    of more than `max_body_bytes` as soon as that is known, be it declared or sent in chunks."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self._app, self._limit = app, max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        proposed = headers.get("X-Request-ID", "")
        request_id = proposed if REQUEST_ID.fullmatch(proposed) else str(uuid4())
        scope.setdefault("state", {})["request_id"] = request_id
        logs.request_id.set(request_id)  # never reset: what fails around us is logged with it too
        began_at, status = time.perf_counter(), 500
        declared = headers.get("Content-Length", "")
        size = 0

        async def receive_limited() -> Message:
            nonlocal size
            too_large = declared.isdecimal() and int(declared) > self._limit
            message: Message = {} if too_large else await receive()
            size += len(message.get("body", b""))
            if too_large or size > self._limit:
                raise HTTPException(413, f"the body is larger than {self._limit} bytes")
            return message

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answered = MutableHeaders(scope=message)
                answered["X-Request-ID"] = request_id
                _protect(answered)
            await send(message)

        method = scope["method"]
        if method == "HEAD":  # the server knows, and sends no body
            scope = {**scope, "method": "GET"}
        try:
            await self._app(scope, receive_limited, send_named)
        finally:
            _log(method, scope, status, time.perf_counter() - began_at)


def _protect(headers: MutableHeaders) -> None:
    """Say that a browser is to take this for what it is, and to let it do nothing."""
    picture = headers.get("Content-Type", "").startswith("image/svg+xml")
    headers.setdefault("Content-Security-Policy", OF_PICTURES if picture else OF_DATA)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"


def _log(method: str, scope: Scope, status: int, took_s: float) -> None:
    path, client = scope["path"], scope.get("client")
    fields = {
        "method": method,
        "path": quote(path),
        "status": status,
        "duration_ms": round(1000 * took_s, 1),
        "client": client[0] if client else None,
        "key": scope["state"].get("key"),  # what is shown of it, where one was brought
    }
    level = logging.DEBUG if path in ASKED_OFTEN else logging.INFO
    line = "%(method)s %(path)s %(status)s in %(duration_ms)s ms for %(client)s with the key %(key)s"
    log.log(
        level, line if fields["key"] else line.removesuffix(" with the key %(key)s"), fields, extra=fields
    )
