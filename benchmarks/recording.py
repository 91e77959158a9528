"""Curves of a million steps: what recording adds to a step. What reading one costs is in curves.py.

Steps without work, so that the time is the recorder's alone, beside the same loop without a recorder. SQLite as
embedded, Postgres as at scale; real files, real servers.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.queueing import servers
from clr.policies import parse_schedule
from clr.training_job import TrainingPlan, run_training
from migrations.schema import upgrade
from store import claims, jobs
from store.database import Database
from store.jobs import NewJob
from worker.recorder import Recorder

NUM_STEPS, LOOKS = 1_000_000, 1_000
STEP_MS = 1.0  # of a quick network, which the share is of
ROUNDS = 3


def plan() -> TrainingPlan:
    """A million steps of ten cycles."""
    schedule = {"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1, "step_size": NUM_STEPS // 20}
    return TrainingPlan(
        schedule=parse_schedule(schedule),
        step_size=NUM_STEPS // 20,
        num_steps=NUM_STEPS,
        steps_per_epoch=1000,
        eval_every=NUM_STEPS // LOOKS,
    )


def loop(recorder: Recorder | None) -> float:
    """Seconds of the engine's loop over steps that do nothing."""
    started = time.perf_counter()
    for row in run_training(plan(), lambda lr: 1.0 / (1.0 + lr), lambda: (0.5, 0.5)):
        if recorder is not None and not hasattr(row, "cycle"):
            recorder.add(row)
    if recorder is not None:
        recorder.finish()
    return time.perf_counter() - started


@contextmanager
def recorded(database: Database) -> Iterator[Recorder]:
    """A claimed training job and its recorder; the job ends with the block."""
    with database.write() as session:
        new = NewJob(kind="training_job", workload="w", config={"schedule": {"policy": "triangular"}})
        jobs.create(session, new)
    with database.write() as session:
        job = claims.claim(session, workloads=["w"], worker_id="w", ring_id="r", pid=1, lease_s=3600)
    assert job is not None
    recorder = Recorder(database, job.id, job.attempt)
    recorder.begin(
        {"phase": "training", "shape": "triangular"}, phase="training", seed=0, completed=0, total=NUM_STEPS
    )
    yield recorder
    with database.write() as session:
        claims.succeed(session, job.id, 1, outcome="trained", result={})


def measure(backend: str, folder: Path) -> Iterator[str]:
    """The rows of one database."""
    with servers(backend, folder) as (url, _):
        upgrade(url)
        database = Database(url)
        shares = []
        for _ in range(ROUNDS):
            alone = loop(None)
            with recorded(database) as recorder:
                shares.append(100 * 1000 * (loop(recorder) - alone) / NUM_STEPS / STEP_MS)
        database.close()
        low, high = min(shares), max(shares)
        yield f"recording: {statistics.median(shares):.2f} % of a {STEP_MS:g} ms step ({low:.2f}-{high:.2f})"


if __name__ == "__main__":
    for backend in ("sqlite", "postgres"):
        with tempfile.TemporaryDirectory() as scratch:
            for line in measure(backend, Path(scratch)):
                print(f"{backend:9} {line}", flush=True)
