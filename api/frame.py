"""What surrounds every request: its id, the limit on its body, and HEAD for whatever can be got."""

import re
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


class Frame:
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
        given = headers.get("X-Request-ID", "")
        request_id = given if REQUEST_ID.fullmatch(given) else str(uuid4())
        scope.setdefault("state", {})["request_id"] = request_id
        declared = headers.get("Content-Length", "")
        size = 0

        async def limited() -> Message:
            nonlocal size
            too_large = declared.isdecimal() and int(declared) > self._limit
            message: Message = {} if too_large else await receive()
            size += len(message.get("body", b""))
            if too_large or size > self._limit:
                raise HTTPException(413, f"the body is larger than {self._limit} bytes")
            return message

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        if scope.get("method") == "HEAD":  # the server knows, and sends no body
            scope = {**scope, "method": "GET"}
        await self._app(scope, limited, named)
