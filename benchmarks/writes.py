"""The longest write transaction of what writes much, in ms: on SQLite all other writers wait for it.

The API in this process, on a database of its own, and no worker. `python -m benchmarks.writes`.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi.testclient import TestClient
from httpx2 import Response

from api.app import create_app
from migrations.schema import upgrade
from store import runs, workloads
from store.database import Database
from store.holds import Holds
from store.settings import Settings
from tests import services

WORKLOAD = {
    "name": "w",
    "description": "d",
    "params_schema": {"type": "object"},
    "default_optimizer": {"name": "SGD", "momentum": 0.9},
    "default_batch_size": 32,
}
LARGEST = {
    "workload": "w",
    "preset": "paper",
    "num_seeds": 20,
    "num_steps": 1000,
    "tags": [f"tag {number}" for number in range(20)],
    "entries": [{"schedule": {"policy": "triangular"}, "label": f"entry {number}"} for number in range(30)],
}  # 761 jobs
FIXED = {"workload": "w", "num_steps": 100, "schedule": {"policy": "fixed", "lr": 0.1}}
POINTS, CHUNK = 1_000_000, 1000


@contextmanager
def backends() -> Iterator[dict[str, str]]:
    """The URL of a fresh database of each kind."""
    with tempfile.TemporaryDirectory() as folder, services.postgres_server() as postgres:
        yield {"sqlite": f"sqlite:///{Path(folder) / 'clr.sqlite3'}", "postgres": postgres.url}


def store_curve(database: Database, job_id: str) -> None:
    """A million points, as a worker writes them."""
    with database.write() as session:
        runs.begin_run(session, job_id, sweep=0, seed=0, plan={})
    for first in range(0, POINTS, CHUNK):
        rows = [(step, 0.1, 0.5) for step in range(first, first + CHUNK)]
        with database.write() as session:
            runs.append(session, job_id, sweep=0, seed=0, series="train", rows=rows)


def measure(backend: str, url: str) -> None:
    """The rows of one backend."""
    upgrade(url)
    settings = Settings(database_url=url, broker_url="redis://127.0.0.1:1", reap_s=60, hosts=["testserver"])
    with TestClient(create_app(settings)) as api:
        database: Database = api.app.state.resources.database  # type: ignore[attr-defined]

        def timed(what: str, act: Callable[[], Response | None]) -> Response:
            database.holds = Holds()
            began = time.perf_counter()
            answer = act() or Response(200)
            took, held = time.perf_counter() - began, database.holds
            assert answer.is_success, answer.text
            print(
                f"{backend:9} {what:32} {1000 * held.longest_s:8.1f} of {held.reached()[-1][1]:4} {took:8.2f}"
            )
            return answer

        def publish() -> None:
            with database.write() as session:
                workloads.publish(session, [WORKLOAD | {"name": f"w{number}"} for number in range(30)])
                workloads.publish(session, [WORKLOAD])

        timed("publish 31 workloads", publish)
        path = timed("a comparison of 761 jobs", lambda: api.post("/comparisons", json=LARGEST)).json()[
            "links"
        ]["self"]
        timed("its cancel", lambda: api.post(f"{path}/cancel"))
        timed("its delete", lambda: api.delete(path))
        timed("a range test", lambda: api.post("/range-tests", json={"workload": "w"}))
        job = timed("a training job", lambda: api.post("/training-jobs", json=FIXED)).json()
        timed("a curve of 10^6 points", lambda: store_curve(database, job["id"]))
        api.post(job["links"]["cancel"])
        timed("the delete of that job", lambda: api.delete(job["links"]["self"]))


if __name__ == "__main__":
    print(f"{'':9} {'':32} {'longest, ms':>11}, transactions, s in all")
    with backends() as urls:
        for backend, url in urls.items():
            measure(backend, url)
