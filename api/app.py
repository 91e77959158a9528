"""The HTTP application: `uvicorn --factory api.app:create_app`."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from sqlalchemy import inspect
from sqlalchemy.exc import OperationalError

from api import (
    analyses,
    audit,
    bounds,
    checkpoints,
    client_range_tests,
    client_training_jobs,
    comparisons,
    confirmations,
    documentation,
    events,
    health,
    jobs,
    keys,
    metrics,
    range_tests,
    schedules,
    session,
    training_jobs,
    webhooks,
    workers,
    workloads,
)
from api.access import Access
from api.deliveries import Deliverer
from api.errors import add_handlers
from api.guard import Guard
from api.middleware import RequestMiddleware
from api.openapi import complete_document, responses
from api.pool import Pool
from api.readiness import Readiness
from api.requests.body import refuse_unknown_query
from api.resources import Resources
from api.root import Root
from api.security import find_caller, list_secrets
from api.waiting import Watcher, on_stop
from pages.routes import add_pages
from store import logs
from store.artifacts import find_artifacts
from store.database import Database
from store.gate import pass_gate
from store.models import Base
from store.reaper import Reaper
from store.ringer import Ringer
from store.settings import Settings, get_settings

log = logging.getLogger(__name__)

DESCRIPTION = """Learning-rate range tests as a service: `POST /range-tests`, poll the job, fetch its bounds.

Times are RFC 3339 in UTC, durations are in seconds, every error is `application/problem+json` with a stable
`code`. A value that is not finite is `null`."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; it opens the database and starts its ringer and reaper when it is started."""
    settings = settings or get_settings()
    logs.set_up(settings)
    logging.getLogger("uvicorn.access").disabled = True  # our middleware logs every request

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pass_gate()
        database = Database(settings.resolved_database_url)
        _require_tables(database)
        ringer = Ringer(database, settings)
        reaper = Reaper(database, settings, ringer)
        ringer.start()
        reaper.start()
        watcher = Watcher(database)
        deliverer = Deliverer(database, settings)
        deliverer.start()
        access = Access(database, of_settings=[str(known.key_id) for _, known in list_secrets(settings)])
        url = settings.resolved_database_url.render_as_string(hide_password=False)
        pool = Pool(url, size=settings.pool_processes, queue=settings.pool_queue)
        readiness = Readiness(database)
        app.state.resources = Resources(
            settings, database, ringer, find_artifacts(settings), watcher, access, pool, readiness
        )
        with on_stop(watcher.stop):
            yield
        watcher.stop()
        await pool.close()
        readiness.close()
        deliverer.stop()
        reaper.stop()
        ringer.stop()
        database.close()

    app = FastAPI(
        title="clr-tuner",
        version=version("clr-tuner"),
        description=DESCRIPTION,
        lifespan=lifespan,
        servers=[{"url": settings.root_path}] if settings.root_path else None,
        redirect_slashes=False,
        docs_url=None,  # ours: api/documentation.py
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    add_handlers(app)
    of_jobs = (
        range_tests,
        client_range_tests,
        bounds,
        analyses,
        confirmations,
        training_jobs,
        client_training_jobs,
        checkpoints,
        comparisons,
        jobs,
        events,
    )
    for part in (*of_jobs, keys, session, audit, webhooks, schedules, workloads, workers, metrics):
        guards = [Depends(find_caller), Depends(refuse_unknown_query)]
        app.include_router(
            part.router, dependencies=guards, responses=responses(401, 403, 421, 422, 429, 503)
        )
    app.include_router(health.router, dependencies=[Depends(refuse_unknown_query)], responses=responses(422))
    app.include_router(documentation.router)
    add_pages(app)
    app.add_middleware(Guard)
    app.add_middleware(RequestMiddleware, max_body_bytes=settings.max_body_bytes)
    app.add_middleware(Root, path=settings.root_path)
    complete_document(app)
    return app


def _require_tables(database: Database) -> None:
    """Refuse to serve a database that lacks what we use; one that does not answer may come back."""
    try:
        with database.read() as session:
            tables = inspect(session.connection()).get_multi_columns()
    except OperationalError as error:
        log.warning("the database does not answer yet: %s", error.orig)
        return
    existing = {(table, column["name"]) for (_, table), columns in tables.items() for column in columns}
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if (table.name, column.name) not in existing:
                raise RuntimeError(
                    f"the database has no {column}: bring it up to date with clr-tuner migrate"
                )


def _operation_id(route: APIRoute) -> str:
    return route.name
