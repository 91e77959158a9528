"""The API, saying in a header of each answer whom it believes to talk to: scheme and address."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import app


def create_app() -> ASGIApp:
    """What uvicorn serves in place of `api.app:create_app`."""
    ours = app.create_app()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_seen(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Seen"] = f"{scope['scheme']} {scope['client'][0]}"
            await send(message)

        await ours(scope, receive, send_seen)

    return serve
