"""The API on both databases, with a catalogue and no worker: tests play the worker through the store."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from store import workers, workloads
from store.database import Database
from store.settings import Settings
from store.workers import WorkerInfo

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"width": {"type": "integer", "minimum": 1, "maximum": 64, "default": 16}},
}
WORKLOAD: dict[str, Any] = {
    "name": "digits",
    "description": "d",
    "params_schema": SCHEMA,
    "default_optimizer": {"name": "SGD", "momentum": 0.9},
    "default_batch_size": 32,
}


@pytest.fixture
def api_settings(settings: Settings, broker_url: str) -> Settings:
    """The run's settings with a real broker, and a reaper that leaves alone what a test leaves half-done."""
    return settings.model_copy(
        update={"broker_url": broker_url, "max_steps": 10_000, "max_body_bytes": 100_000, "reap_s": 3600}
    )


@pytest.fixture
def catalogue(database: Database) -> None:
    """One workload, published by one worker."""
    worker = WorkerInfo(id="w", hostname="host", pid=1, slots=1, device="cpu")
    with database.write() as session:
        workloads.publish(session, [WORKLOAD])
        workers.publish(session, worker, [str(WORKLOAD["name"])])


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    """The OpenAPI document, which refusals look into; every app would make the same one, in a fifth of a second."""
    return create_app(Settings()).openapi()


@pytest.fixture
def api(api_settings: Settings, document: dict[str, Any]) -> Iterator[TestClient]:
    """A client of the running application."""
    app = create_app(api_settings)
    app.openapi = lambda: document
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client
