"""What a curve of a million steps costs who reads and draws it, beside one of a thousand.

Both lie in one database, in chunks of half a second of steps, and are asked for in turns over HTTP; SQLite as embedded,
Postgres as at scale. Medians with quartiles, ms, and how much more memory a fresh API
held at most for the long one than for the short one (Linux).
"""

import statistics
import tempfile
import time
from pathlib import Path

import httpx2
import numpy as np

from benchmarks.queueing import api_alone, servers
from migrations.schema import upgrade
from store import claims, jobs, runs
from store.database import Database
from store.jobs import NewJob

SIZES = (1_000, 1_000_000)
CHUNK = 500  # steps: of 1 ms each
LOOKS = 100
ROUNDS = 15
ANSWERS = {"thinned": "curve?max_points=2000", "svg": "plot.svg", "png": "plot.png", "whole": "curve"}


def store_curve(database: Database, num_steps: int) -> str:
    """A training job that has ended, with a falling, noisy loss; its id."""
    config = {"schedule": {"policy": "triangular"}, "warnings": []}
    noise = np.random.default_rng(0).random(num_steps)
    steps = np.arange(num_steps)
    rows = np.stack([steps, 0.01 + steps / num_steps / 10, np.exp(-steps / num_steps) + noise], axis=1)
    with database.write() as session:
        jobs.create(session, NewJob(kind="training_job", workload="w", config=config))
        job = claims.claim(session, workloads=["w"], worker_id="w", ring_id="r", pid=1, lease_s=3600)
        assert job is not None
        run = {"job_id": job.id, "sweep": 0, "seed": 0}
        runs.begin_run(session, **run, plan={"phase": "training", "shape": "triangular"})
        for chunk in np.split(rows, range(CHUNK, num_steps, CHUNK)):
            runs.append(session, **run, series="train", rows=chunk)
        looks = rows[num_steps // LOOKS - 1 :: num_steps // LOOKS]
        accuracy = looks[:, :1] / num_steps
        runs.append(session, **run, series="held_out", rows=np.hstack([looks, accuracy]))
        jobs.request_cancel(session, job.id)
        claims.give_back(session, job.id, 1)
    return job.id


def read_peak(pid: int) -> float:
    """The most memory that the process held, MB."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def answer(http: httpx2.Client, path: str) -> float:
    """Ask for it, reading as it comes; ms."""
    started = time.perf_counter()
    with http.stream("GET", path) as response:
        assert response.is_success, path
        for _ in response.iter_raw():
            pass
    return 1000 * (time.perf_counter() - started)


def measure(backend: str, folder: Path) -> None:
    """The rows of one database."""
    with servers(backend, folder) as (url, broker_url):
        upgrade(url)
        database = Database(url)
        ids = [store_curve(database, size) for size in SIZES]
        database.close()
        for name, path in ANSWERS.items():
            with (
                api_alone(url, broker_url, folder) as service,
                httpx2.Client(base_url=service.url, timeout=60) as http,
            ):
                peaks = []
                for job_id in ids:
                    answer(http, f"/training-jobs/{job_id}/{path}")
                    peaks.append(read_peak(service.processes["api"].pid))
                taken: list[list[float]] = [[], []]
                for _ in range(ROUNDS):
                    for times, job_id in zip(taken, ids, strict=True):
                        times.append(answer(http, f"/training-jobs/{job_id}/{path}"))
            few, many = (statistics.median(times) for times in taken)
            spreads = "".join(
                f"{median:8.1f} ({low:.1f}-{high:.1f})"
                for low, median, high in (statistics.quantiles(times, n=4) for times in taken)
            )
            print(
                f"{backend:9} {name:8} {spreads} x{many / few:.2f} {peaks[1] - peaks[0]:5.0f} MB", flush=True
            )


if __name__ == "__main__":
    for backend in ("sqlite", "postgres"):
        with tempfile.TemporaryDirectory() as scratch:
            measure(backend, Path(scratch))
