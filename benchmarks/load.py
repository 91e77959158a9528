"""`python -m benchmarks.load`: how the embedded service answers beside a crowd, while a training runs.

The crowd, in a process of its own, asks all at once: long-polls and event streams of the training, and pictures and
the whole curve of a stored job of a million points. Meanwhile one range test and `/healthz` are asked for every
50 ms. Memory is the API's with its pool's processes (Linux: what they share is counted once), MB. About 3 minutes.
"""

import asyncio
import math
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.curves import store_curve
from clr_tuner.client import Client
from clr_tuner.embedded.service import EmbeddedService
from migrations.schema import upgrade
from store.database import Database
from store.settings import Settings

PAUSE_S, LIMIT_S = 0.05, 75.0
TRAINING = {"num_steps": 1_000_000, "schedule": {"policy": "fixed", "lr": 0.01}}
GOALS_MS = {"GET one": 100, "/healthz": 50}


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many ask for what. hold_s: how long polls and streams last; settle_s: from their end to the last look."""

    polls: int = 200
    streams: int = 50
    plots: int = 20
    curves: int = 20
    points: int = 1_000_000
    hold_s: int = 30
    settle_s: float = 60.0


@dataclass(slots=True)
class Look:
    """A path that is asked for until the end: what it was answered, and how soon, ms."""

    url: str
    taken: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def go_on(self, ended: threading.Event) -> None:
        """Until `ended`."""
        with httpx2.Client(timeout=60) as http:
            while not ended.wait(PAUSE_S):
                began = time.perf_counter()
                try:
                    status = str(http.get(self.url).status_code)
                except httpx2.TransportError as error:
                    status = type(error).__name__
                self.taken.append(1000 * (time.perf_counter() - began))
                self.statuses[status] += 1

    def percentile(self, share: float) -> float:
        """The least time within which this share was answered."""
        return sorted(self.taken)[math.ceil(share * len(self.taken)) - 1]


async def ask(http: httpx2.AsyncClient, path: str, limit_s: float) -> str:
    """The status, once the answer was read as far as it came within the limit."""
    status = "no answer"
    try:
        async with asyncio.timeout(limit_s), http.stream("GET", path) as response:
            status = str(response.status_code)
            async for _ in response.aiter_raw():
                pass
    except TimeoutError:
        return status if path.endswith("/events") else f"{status}, unfinished"
    except httpx2.TransportError as error:
        return type(error).__name__
    return status


def gather(url: str, training: str, stored: str, crowd: Crowd) -> dict[str, Counter[str]]:
    """Ask for everything at once; the statuses of each kind."""
    asked = {
        "long-polls": (crowd.polls, f"/training-jobs/{training}?wait_s={crowd.hold_s}", LIMIT_S),
        "event streams": (crowd.streams, f"/jobs/{training}/events", crowd.hold_s),
        "plot.png": (crowd.plots, f"/training-jobs/{stored}/plot.png", LIMIT_S),
        "full curves": (crowd.curves, f"/training-jobs/{stored}/curve", LIMIT_S),
    }

    async def all_at_once() -> dict[str, Counter[str]]:
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(base_url=url, timeout=None, limits=limits) as http:
            calls: list[tuple[str, Coroutine[Any, Any, str]]] = [
                (kind, ask(http, path, limit_s))
                for kind, (count, path, limit_s) in asked.items()
                for _ in range(count)
            ]
            answers = await asyncio.gather(*(call for _, call in calls))
        statuses: dict[str, Counter[str]] = {kind: Counter() for kind in asked}
        for (kind, _), status in zip(calls, answers, strict=True):
            statuses[kind][status] += 1
        return statuses

    return asyncio.run(all_at_once())


def find_api() -> int:
    """Of the children of this process, the API."""
    for pid in _children(os.getpid()):
        if b"api.app" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise LookupError("no API runs")


def read_memory(pid: int) -> float:
    """What the process and all below it hold, MB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        own = next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
        return own + sum(read_memory(child) for child in _children(pid))
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # it has just ended


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def watch_memory(pid: int, peak: list[float], ended: threading.Event) -> None:
    """Note the most that is held until `ended`."""
    while not ended.wait(0.5):
        peak[0] = max(peak[0], read_memory(pid))


def main(crowd: Crowd | None = None) -> None:
    """Print the table."""
    crowd = crowd or Crowd()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            port=0, data_dir=Path(folder), database_url="", broker_url="", api_keys=[], worker_slots=1
        )
        url = f"sqlite:///{Path(folder) / 'clr.sqlite3'}"
        upgrade(url)
        database = Database(url)
        stored = store_curve(database, crowd.points)
        database.close()
        with EmbeddedService(settings, say=print) as service, Client(service.url) as client:
            measure(service.url, client, stored, crowd)


def measure(url: str, client: Client, stored: str, crowd: Crowd) -> None:
    """The rows."""
    one = client.range_test("digits-mlp", effort="quick").wait()
    training = httpx2.post(f"{url}/training-jobs", json={"workload": "digits-mlp", **TRAINING}).json()
    while (job := httpx2.get(url + training["links"]["self"]).json())["status"] == "queued":
        time.sleep(PAUSE_S)
    api = find_api()
    before, peak, ended = read_memory(api), [0.0], threading.Event()
    looks = {"GET one": Look(f"{url}/range-tests/{one.id}"), "/healthz": Look(f"{url}/healthz")}
    threads = [threading.Thread(target=look.go_on, args=[ended]) for look in looks.values()]
    threads.append(threading.Thread(target=watch_memory, args=[api, peak, ended]))
    for thread in threads:
        thread.start()
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
            statuses = apart.submit(gather, url, training["id"], stored, crowd).result()
    finally:
        ended.set()
        for thread in threads:
            thread.join()

    print(f"{'MS':14} {'P50':>8} {'P99':>8} {'MAX':>8}   GOAL OF P99, STATUSES")
    for name, look in looks.items():
        times = " ".join(f"{look.percentile(share):8.1f}" for share in (0.5, 0.99, 1))
        print(f"{name:14} {times}   < {GOALS_MS[name]}, {dict(look.statuses)}")
    for kind, counted in statuses.items():
        print(f"{kind:14} {dict(counted)}")
    print(f"{'load average':14} {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores", flush=True)
    time.sleep(crowd.settle_s)
    after, job = read_memory(api), httpx2.get(url + training["links"]["self"]).json()
    print(f"{'leases lost':14} {job['attempt'] - 1} (goal 0); the training is {job['status']}")
    print(
        f"{'memory, MB':14} before {before:.0f}, at most {peak[0]:.0f}, {crowd.settle_s:.0f} s after {after:.0f}: "
        f"{100 * (after / before - 1):+.0f} % (goal within 10)"
    )


if __name__ == "__main__":
    main()
