"""A range test as it is asked for and answered, and its curve."""

from typing import Any

JOB_ID = "8f14e45f-ceea-467f-9d5c-2a6d7d3b9c11"
PATH = f"/range-tests/{JOB_ID}"
RANGE_TEST_REQUESTS: list[Any] = [
    {"workload": "digits-mlp"},
    {
        "workload": "digits-mlp",
        "optimizer": {"name": "SGD", "momentum": 0.9},
        "batch_size": 64,
        "num_seeds": 5,
        "name": "nightly",
        "tags": ["ci"],
    },
    {"workload": "digits-mlp", "effort": "thorough"},
]
JOB_STATUS: dict[str, Any] = {
    "id": JOB_ID,
    "project": "default",
    "kind": "range_test",
    "name": "nightly",
    "tags": ["ci"],
    "workload": "digits-mlp",
    "measured_by": "worker",
    "priority": "normal",
    "status": "running",
    "outcome": None,
    "reason": None,
    "message": None,
    "progress": {
        "phase": "test",
        "completed": 640,
        "total": 1950,
        "unit": "steps",
        "updated_at": "2026-11-24T12:00:03.250000Z",
    },
    "attempt": 1,
    "after_job": None,
    "comparison_id": None,
    "created_at": "2026-11-24T12:00:00.125000Z",
    "started_at": "2026-11-24T12:00:01.500000Z",
    "finished_at": None,
    "links": {"self": PATH, "events": f"/jobs/{JOB_ID}/events"}
    | {name: f"{PATH}/{name}" for name in ("bounds", "curve", "plot.svg", "plot.png", "plot.pdf", "cancel")},
}
JOB = JOB_STATUS | {
    "config": {
        "params": {},
        "optimizer": {"name": "SGD", "weight_decay": 0.0, "momentum": 0.9, "dampening": 0.0, "nesterov": False},
        "batch_size": 64,
        "seed": 0,
        "num_seeds": 3,
        "start_lr": None,
        "end_lr": None,
        "num_steps": None,
        "effort": "standard",
        "timeout_s": 3600.0,
        "priority": "normal",
    }
}  # fmt: skip
QUEUED = JOB | {"status": "queued", "progress": None, "attempt": 0, "started_at": None}
CANCELLING = JOB | {"status": "cancelling"}
CANCELLED = QUEUED | {"status": "cancelled", "finished_at": "2026-11-24T12:00:02.000000Z"}
CURVE: dict[str, Any] = {
    "complete": True,
    "measured_by": "worker",
    "runs": [
        {
            "seed": 0,
            "sweep": 0,
            "phase": "scout",
            "shape": "exponential",
            "finished": True,
            "step": [0, 1],
            "lr": [1e-6, 1.1e-6],
            "loss": [2.3, None],
            "non_finite_from": 1,
            "held_out": {"step": [0], "lr": [1e-6], "loss": [2.31], "accuracy": [0.1], "non_finite_from": None},
        }
    ],
}  # fmt: skip
VALIDATED: dict[str, Any] = {
    "config": JOB["config"],
    "num_jobs": 1,
    "most_steps": 11_000,
    "warnings": [],
}
