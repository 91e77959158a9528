"""The HTTP application: `uvicorn --factory api.app:create_app`."""

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from uuid import uuid4

from fastapi import Depends, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from api import health, jobs, range_tests, workers, workloads
from api.errors import Problem, ProblemBody, add_handlers, answer
from api.security import require_key
from api.state import State
from store.database import Database
from store.settings import Settings, get_settings
from store.sweeper import Sweeper

DESCRIPTION = """Learning-rate range tests as a service: `POST /range-tests`, poll the job, fetch its bounds.

Times are RFC 3339 in UTC, durations are in seconds, every error is `application/problem+json` with a stable
`code`. A value that is not finite is `null`."""

REQUEST_ID = re.compile(r"[\w.:-]{1,128}")


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; it opens the database and starts its sweeper when it is started."""
    chosen = settings or get_settings()
    logging.basicConfig(level=chosen.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = Database(chosen.resolved_database_url)
        sweeper = Sweeper(database, chosen)
        sweeper.start()
        app.state.clr = State(chosen, database, sweeper)
        yield
        sweeper.stop()
        database.close()

    app = FastAPI(
        title="clr-tuner",
        version=version("clr-tuner"),
        description=DESCRIPTION,
        lifespan=lifespan,
        dependencies=[Depends(require_key)],
        generate_unique_id_function=_operation_id,
    )
    add_handlers(app)
    for part in (range_tests, jobs, workloads, workers, health):
        app.include_router(part.router)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=chosen.max_body_bytes)
    app.middleware("http")(_name_request)
    _document_problems(app)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


async def _name_request(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Give the request an id, the caller's own if it is sane, for logs and problems."""
    given = request.headers.get("X-Request-ID", "")
    request.state.request_id = given if REQUEST_ID.fullmatch(given) else str(uuid4())
    response = await call_next(request)
    if response.status_code == 413:  # the body limit answers before any handler of ours
        limit = request.app.state.clr.settings.max_body_bytes
        response = answer(
            request, Problem(413, "content_too_large", f"the body is larger than {limit} bytes")
        )
    response.headers["X-Request-ID"] = request.state.request_id
    return response


def _document_problems(app: FastAPI) -> None:
    """Add the problem's schema, which routes refer to, to the OpenAPI document."""
    plain = app.openapi

    def openapi() -> dict[str, object]:
        document = plain()
        schema = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
        document["components"]["schemas"] |= schema.pop("$defs") | {"ProblemBody": schema}
        return document

    app.openapi = openapi  # type: ignore[method-assign]
