"""What a thousand times as many jobs cost those who list, poll, submit, claim and scrape.

Two databases with an API each, one of a thousand finished jobs and one of a million, asked in turns; SQLite as
embedded, Postgres as at scale. Real processes on loopback; medians with quartiles, ms.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
from sqlalchemy import insert, text

from benchmarks.queueing import BODY, api_alone, servers
from migrations.schema import upgrade
from store import claims, counters
from store.database import Database
from store.jobs import list_tags
from store.models import Job, JobTag

SIZES = (1_000, 1_000_000)
INSERTED = 10_000  # rows at once
ROUNDS = 40
COMPARISON = {"workload": "digits-mlp", "preset": "paper", "num_epochs": 8}
RARE = 100  # jobs, the oldest, that have a tag, a status and a word in their name of their own


@dataclass
class Place:
    """One of the databases, with its API."""

    database: Database
    http: httpx2.Client
    paths: dict[str, str]


def row(number: int) -> dict[str, Any]:
    """A finished job, one a second."""
    config = {"params": {}, "optimizer": {"name": "SGD"}, "batch_size": 32, "seed": number}
    return {
        "id": str(uuid4()),
        "project": "default",
        "kind": "training_job" if number % 2 else "range_test",
        "name": f"{'odd' if number < RARE else 'even'} night {number}",
        "tags": ["nightly", "rare" if number < RARE else "frequent"],
        "workload": "digits-mlp",
        "config": config if number % 2 == 0 else config | {"schedule": {"policy": "fixed"}, "warnings": []},
        "status": "failed" if number < RARE else "succeeded",
        "outcome": None if number < RARE else "trained" if number % 2 else "bounds_found",
        "attempt": 1,
        "created_at": 1.7e9 + number,
        "started_at": 1.7e9 + number,
        "finished_at": 1.7e9 + number + 5,
    }


def fill(database: Database, total: int) -> None:
    """So many finished jobs, as they would be there had each been asked for."""
    for first in range(0, total, INSERTED):
        jobs = [row(number) for number in range(first, min(first + INSERTED, total))]
        with database.write() as session:
            session.execute(insert(Job), jobs)
            session.execute(insert(JobTag), list_tags(jobs))
            for status in ("failed", "succeeded"):
                counters.add(
                    session, counters.ENDED_JOBS, status, by=sum(job["status"] == status for job in jobs)
                )
    with database.write() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("ANALYZE"))  # as autovacuum does within minutes


def find_paths(http: httpx2.Client) -> dict[str, str]:
    """What those who poll and look ask for."""
    page = http.get("/range-tests").json()
    comparison = http.post("/comparisons", json=COMPARISON).json()
    return {
        "poll one": f"/range-tests/{page['items'][0]['id']}",
        "list": "/range-tests",
        "next page": f"/range-tests?page_token={page['next_page_token']}",
        "all kinds": "/jobs",
        "by status": "/range-tests?status=succeeded",
        "by a rare status": "/range-tests?status=failed",
        "by an absent status": "/jobs?status=cancelling",
        "by workload": "/range-tests?workload=digits-mlp",
        "by an absent workload": "/range-tests?workload=digits-cnn",
        "by tag": "/range-tests?tag=nightly",
        "by a rare tag": "/range-tests?tag=rare",
        "by an absent tag": "/jobs?tag=weekly",
        "search": "/jobs?search=even%20night",
        "search in vain": "/jobs?search=weekly",
        "by tag and workload": "/jobs?tag=frequent&workload=digits-mlp",
        "/metrics": "/metrics",
        "one comparison": f"/comparisons/{comparison['id']}",
        "comparisons": "/comparisons",
    }


def claim(place: Place) -> None:
    """Take a job, as a worker's child does."""
    with place.database.write() as session:
        job = claims.claim(session, workloads=["digits-mlp"], worker_id="w", ring_id="r", pid=1, lease_s=60)
    assert job is not None


def actions(place: Place) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is timed, by name: a claim takes what the POST before it queued."""

    def answer(method: str, path: str, **body: Any) -> None:
        assert place.http.request(method, path, **body).is_success, path

    for name, path in place.paths.items():
        yield name, lambda path=path: answer("GET", path)
    yield "POST /range-tests", lambda: answer("POST", "/range-tests", json=BODY | {"tags": ["nightly"]})
    yield "claim", lambda: claim(place)


def measure(backend: str) -> None:
    """The table of one backend."""
    with ExitStack() as stack:
        places = []
        for size in SIZES:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            url, broker_url = stack.enter_context(servers(backend, folder))
            upgrade(url)
            database = Database(url)
            stack.callback(database.close)
            started = time.perf_counter()
            fill(database, size)
            print(f"{backend:9} {size} jobs stored in {time.perf_counter() - started:.0f} s", flush=True)
            address = stack.enter_context(api_alone(url, broker_url, folder)).url
            http = stack.enter_context(httpx2.Client(base_url=address, timeout=120))
            places.append(Place(database, http, find_paths(http)))
        taken: dict[str, list[list[float]]] = {}
        for _ in range(ROUNDS):
            for number, place in enumerate(places):
                for name, action in actions(place):
                    started = time.perf_counter()
                    action()
                    times = taken.setdefault(name, [[] for _ in SIZES])[number]
                    times.append(1000 * (time.perf_counter() - started))
        for name, (few, many) in taken.items():
            growth = statistics.median(many) / statistics.median(few)
            print(f"{backend:9} {name:22} {spread(few)} {spread(many)} x{growth:.2f}", flush=True)


def spread(times: list[float]) -> str:
    """Median and quartiles."""
    low, median, high = statistics.quantiles(times, n=4)
    return f"{median:7.1f} ({low:.1f}-{high:.1f})"


if __name__ == "__main__":
    for backend in ("sqlite", "postgres"):
        measure(backend)
