"""What is refused before a byte of its body is read: two lengths, another site's page, a wrong key.

The framework reads a body before it asks any dependency; so what changes something is looked at here, around it.
"""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import DATABASE_ERRORS, Problem, answer, explain_database
from api.security import SAFE, authenticate


class Guard:
    """ASGI middleware: the checks of `api.security` for every request that changes something."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it unread."""
        if scope["type"] == "http":
            request = Request(scope)
            try:
                refuse_two_lengths(request)
                if scope["method"] not in SAFE:
                    refuse_foreign_page(request)
                    await run_in_threadpool(authenticate, request.app.state.resources, request)
            except Problem as problem:
                await answer(request, problem)(scope, receive, send)
                return
            except DATABASE_ERRORS:
                await answer(request, explain_database())(scope, receive, send)
                return
        await self._app(scope, receive, send)


def refuse_two_lengths(request: Request) -> None:
    """Refuse a body that has two lengths (RFC 9112, section 6.1): a proxy may have read another one than we would."""
    if "Content-Length" in request.headers and "Transfer-Encoding" in request.headers:
        raise Problem(
            400,
            "malformed_request",
            "the body has a Content-Length and a Transfer-Encoding: send one of them",
            headers={"Connection": "close"},
        )


def refuse_foreign_page(request: Request) -> None:
    """Refuse what a browser sends for a page of another origin, with a session's cookie or where there are no keys.

    Every browser says so itself, with Sec-Fetch-Site or, if it is older, Origin: who sends neither is a program, and
    so is who carries a key.
    """
    headers = request.headers
    if headers.get("Authorization", "").lower().startswith("bearer "):
        return
    site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site is not None:  # what the browser itself says; a proxy may have given us another Host
        foreign = site not in ("same-origin", "none")
    else:
        foreign = origin is not None and origin.partition("://")[2].lower() != headers.get("Host", "").lower()
    if foreign:
        raise Problem(
            403,
            "foreign_origin",
            "a page of another site asks for this: send it without a browser, or with a key",
        )
