"""What a caller that measures asks and tells."""

from typing import Any

from api.examples.range_tests import JOB_ID

CLIENT_RANGE_TEST_REQUESTS: list[Any] = [
    {
        "driver": "client",
        "name": "bert on sst2",
        "optimizer": {"name": "AdamW"},
        "batch_size": 32,
        "steps_per_epoch": 2105,
    }
]
CLIENT_TRAINING_JOB_REQUESTS: list[Any] = [
    {
        "driver": "client",
        "name": "bert on sst2",
        "optimizer": "AdamW",
        "range_test_id": JOB_ID,
        "schedule": {"policy": "one_cycle"},
        "num_steps": 6315,
    }
]
ASK_REQUESTS: list[Any] = [{"client_id": "my-laptop"}, {"client_id": "my-laptop", "restart": True}]
POINTS_REQUESTS: list[Any] = [
    {
        "token": "q2vZ8eYb1nD0aRkLwTfXcH5mPsJ9uGgE",
        "from_step": 40,
        "loss": [1.31, 1.28, None],
        "held_out": {"step": [41], "loss": [1.35], "accuracy": [0.52]},
    }
]
TOKEN = POINTS_REQUESTS[0]["token"]
SWEEP: dict[str, Any] = {
    "number": 1,
    "sweep": 1,
    "seed": 0,
    "phase": "test",
    "shape": "linear",
    "start_lr": 0.01,
    "end_lr": 0.12,
    "num_steps": 12,
    "look_every": 1,
    "lr": [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.11, 0.12],
}
ASKED_SWEEP: dict[str, Any] = {
    "done": False,
    "status": "running",
    "outcome": None,
    "sweep": SWEEP,
    "lease": {"token": TOKEN, "seconds": 300.0},
    "received_up_to": 0,
}
ASKED_RATES: dict[str, Any] = {
    "done": False,
    "status": "running",
    "outcome": None,
    "rates": {
        "number": 0,
        "seed": 0,
        "num_steps": 12,
        "from_step": 8,
        "lr": [0.04, 0.03, 0.02, 0.01],
        "look_after": [11],
    },
    "lease": {"token": TOKEN, "seconds": 300.0},
    "received_up_to": 8,
}
REPORTED: dict[str, Any] = {"received_up_to": 43, "stop": None}
FINISHED: dict[str, Any] = {
    "received_up_to": 200,
    "done": True,
    "status": "succeeded",
    "outcome": "bounds_found",
}
