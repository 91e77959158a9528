"""The queue: how soon a job runs, and how many requests a second; what many jobs cost is in growth.py.

SQLite as embedded, Postgres as at scale. Real processes on loopback, the callers in this one; medians, p95 beside them.

(A file called queue.py would hide the standard library's module from every script of this folder.)
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import httpx2

from migrations.schema import upgrade
from store import workers, workloads
from store.database import Database
from store.models import Job
from store.workers import WorkerInfo
from tests import services
from tests.e2e.service import Service, running_service

SAMPLES, WARM_S = 20, 8.0  # the slot has loaded torch long before
REQUESTS, CALLERS = 400, 4
BODY = {"workload": "digits-mlp", "effort": "quick", "num_steps": 12}
COMPARISONS = 5
LARGEST = {
    "workload": "digits-mlp",
    "preset": "adaptive",
    "num_seeds": 20,
    "num_steps": 1000,
    "entries": [{"schedule": {"policy": "triangular"}, "label": f"entry {number}"} for number in range(30)],
}  # 800 trainings


@contextmanager
def servers(backend: str, folder: Path) -> Iterator[tuple[str, str]]:
    """(database URL, broker URL) of a fresh pair."""
    with services.broker_server() as broker:
        if backend == "sqlite":
            yield f"sqlite:///{folder / 'clr.sqlite3'}", broker.url
            return
        with services.postgres_server() as database:
            yield database.url, broker.url


def to_running(url: str, broker_url: str, folder: Path) -> str:
    """From just before the POST to the claim of a worker that waits, ms."""
    with running_service(url, broker_url, folder) as (_, client):
        waits = []
        time.sleep(WARM_S)
        for _ in range(SAMPLES):
            asked_at = time.time()
            job = client.range_test(**BODY).wait(timeout_s=60)
            database = Database(url)
            with database.read() as session:
                started_at = session.get_one(Job, job.id).started_at
            database.close()
            waits.append(1000 * ((started_at or 0.0) - asked_at))
    return spread(waits)


@contextmanager
def api_alone(url: str, broker_url: str, folder: Path) -> Iterator[Service]:
    """An API with a catalogue and no worker, so that jobs stay queued."""
    database = Database(url)
    worker = WorkerInfo(id="w", hostname="h", pid=1, slots=1, device="cpu")
    workload = {
        "name": "digits-mlp",
        "description": "d",
        "params_schema": {"type": "object"},
        "default_optimizer": {"name": "SGD"},
        "default_batch_size": 32,
    }
    with database.write() as session:
        workloads.publish(session, [workload])
        workers.publish(session, worker, [str(workload["name"])])
    database.close()
    service = Service(url, broker_url, folder)
    service.start("api")
    try:
        service.wait_until_ready()
        yield service
    finally:
        service.stop()


def per_second(request: Callable[[httpx2.Client], httpx2.Response], address: str) -> float:
    """Requests a second of some callers at once."""

    def call(count: int) -> None:
        with httpx2.Client(base_url=address, timeout=60) as http:
            for _ in range(count):
                assert request(http).is_success

    started = time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(call, [REQUESTS // CALLERS] * CALLERS))
    return REQUESTS / (time.perf_counter() - started)


def longest_wait(address: str, url: str) -> float:
    """The longest that another writer waits while the largest comparisons are submitted, ms."""
    database, submitted = Database(url), Event()
    waits: list[float] = []

    def write_again() -> None:
        while not submitted.is_set():
            started = time.perf_counter()
            with database.write():
                waits.append(1000 * (time.perf_counter() - started))

    with ThreadPoolExecutor(1) as pool, httpx2.Client(base_url=address, timeout=60) as http:
        writer = pool.submit(write_again)
        for _ in range(COMPARISONS):
            assert http.post("/comparisons", json=LARGEST).is_success
        submitted.set()
        writer.result()
    database.close()
    return max(waits)


def spread(values: list[float]) -> str:
    """Median and p95."""
    return f"{statistics.median(values):.1f} ({statistics.quantiles(values, n=20)[-1]:.1f})"


def measure(backend: str) -> None:
    """The tables of one backend."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        with servers(backend, folder) as (url, broker_url):
            upgrade(url)
            print(f"{backend:9} POST to running, ms: {to_running(url, broker_url, folder)} of {SAMPLES}")
            with api_alone(url, broker_url, folder) as service:
                address = service.url
                posts = per_second(lambda http: http.post("/range-tests", json=BODY), address)
                with httpx2.Client(base_url=address) as http:
                    one = http.get("/jobs").json()["items"][0]["links"]["self"]
                gets = per_second(lambda http: http.get(one), address)
                print(
                    f"{'':9} POST /range-tests: {posts:.0f} /s; GET /range-tests/ID: {gets:.0f} /s ({CALLERS} callers)"
                )
                waited = longest_wait(address, url)
                print(
                    f"{'':9} longest wait of a writer beside the largest POST /comparisons: {waited:.0f} ms"
                )


if __name__ == "__main__":
    for backend in ("sqlite", "postgres"):
        measure(backend)
