"""The path before ours, as a proxy shows the service to callers; nobody else here knows it.

A request may come with it or without: some proxies take it off, others do not.
"""

from contextvars import ContextVar

from starlette.types import ASGIApp, Receive, Scope, Send

_root: ContextVar[str] = ContextVar("root", default="")


class Root:
    """ASGI middleware around all others: what is within sees paths of ours alone."""

    def __init__(self, app: ASGIApp, *, path: str) -> None:
        self._app, self._path = app, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            _root.set(self._path)  # never reset: what fails around us is answered with it too
            if f"{scope['path']}/".startswith(f"{self._path}/"):
                scope["path"] = scope["path"].removeprefix(self._path) or "/"
        await self._app(scope, receive, send)


def rooted(path: str) -> str:
    """A path of ours as the caller of this request sees it."""
    return _root.get() + path
