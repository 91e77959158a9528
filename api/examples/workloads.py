"""A workload, a worker, a preview and the metrics."""

from typing import Any

PREVIEW_REQUESTS: list[Any] = [
    {
        "schedule": {"policy": "triangular2", "base_lr": 0.001, "max_lr": 0.006, "step_size": 2000},
        "num_steps": 12_000,
        "every": 1000,
    }
]
PREVIEW: dict[str, Any] = {
    "step": [0, 1000, 2000],
    "lr": [0.001, 0.0035, 0.006],
    "cycle": [1, 1, 1],
    "x": [1.0, 0.5, 0.0],
    "snippet": "from torch.optim.lr_scheduler import CyclicLR\n\nscheduler = CyclicLR(...)\n",
}
WORKLOAD: dict[str, Any] = {
    "name": "digits-mlp",
    "description": "A small perceptron on scikit-learn's digits",
    "params_schema": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"width": {"type": "integer", "minimum": 1, "maximum": 4096, "default": 64}},
    },
    "default_optimizer": {"name": "SGD", "momentum": 0.9},
    "default_batch_size": 64,
    "optimizers": {
        "prodigy": {"params_schema": {"type": "object", "properties": {}}, "lr_meaning": "multiplier"}
    },
}
WORKER: dict[str, Any] = {
    "id": "2b1f7c0e-5f0b-4c55-8a59-0a9d1c1d7f10",
    "hostname": "gpu-box",
    "pid": 4242,
    "slots": 1,
    "device": "cpu",
    "workloads": ["digits-mlp"],
    "started_at": "2026-11-24T11:59:00.000000Z",
    "seen_at": "2026-11-24T12:00:03.000000Z",
}
METRICS = """# HELP clr_jobs Jobs by status.
# TYPE clr_jobs gauge
clr_jobs{status="queued"} 2.0
clr_jobs{status="running"} 1.0
# HELP clr_attempts_total Attempts by how they ended.
# TYPE clr_attempts_total counter
clr_attempts_total{ended="succeeded"} 128.0
clr_attempts_total{ended="worker_lost"} 1.0
"""
