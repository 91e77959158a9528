"""A job's life as tests act it out: asked for over HTTP, then claimed, measured and ended through the store."""

import math
from typing import Any

from fastapi.testclient import TestClient

from store import claims, runs
from store.database import Database

BOUNDS = {
    "base_lr": 0.025,
    "max_lr": 0.1,
    "constant_lr": 0.05,
    "base_lr_interval": [0.02, 0.03],
    "max_lr_interval": [0.08, 0.12],
    "rule_base": "quarter_of_max",
    "rule_max": "plateau_ends",
    "reason_base": "b",
    "reason_max": "m",
    "evidence": {"seeds": [{"seed": 0, "metric": "accuracy", "floor": 0.1, "peak": 0.97}]},
    "step_size": 88,
    "steps_per_epoch": 43.7,
    "warnings": [],
    "candidates": [{"name": "valley", "lr": 0.05, "note": "n"}],
}
INCONCLUSIVE = {
    "why": "no_learning",
    "message": "nothing learned",
    "next_experiment": {"message": "more steps", "request": {"num_steps": 1600}},
    "candidates": [],
}
PLAN = {
    "sweep": 1,
    "seed": 0,
    "phase": "test",
    "shape": "linear",
    "start_lr": 0.001,
    "end_lr": 0.1,
    "num_steps": 100,
    "eval_every": 5,
}


def create(api: TestClient, *, key: str | None = None, **fields: Any) -> dict[str, Any]:
    """POST a range test of `digits` with these fields; the job as answered."""
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = api.post("/range-tests", json={"workload": "digits"} | fields, headers=headers)
    assert answer.status_code == 202, answer.text
    body: dict[str, Any] = answer.json()
    return body


def claim(database: Database) -> str:
    """Take the oldest queued job, as a worker does."""
    with database.write() as session:
        job = claims.claim(session, workloads=["digits"], worker_id="w", ring_id="r", pid=1, lease_s=60)
    assert job is not None
    return job.id


def finish(database: Database, job_id: str, outcome: str, result: dict[str, Any]) -> None:
    """End the first attempt of a job with a result."""
    with database.write() as session:
        claims.succeed(session, job_id, 1, outcome=outcome, result=result)


def measure(database: Database, job_id: str, losses: list[float]) -> None:
    """Store a sweep with these losses, one a step, and a look at the held-out set every five."""
    with database.write() as session:
        runs.begin_run(session, job_id, sweep=1, seed=0, plan=PLAN)
        rows = [(step, (step + 1) / 1000, loss) for step, loss in enumerate(losses)]
        runs.append(session, job_id, sweep=1, seed=0, series="train", rows=rows)
        looks = [(step, (step + 1) / 1000, loss, math.nan) for step, loss in enumerate(losses)][::5]
        runs.append(session, job_id, sweep=1, seed=0, series="held_out", rows=looks)
