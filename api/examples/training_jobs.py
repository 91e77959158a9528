"""A training job as it is asked for and answered, and its checkpoint."""

from typing import Any

from api.examples.range_tests import JOB, JOB_ID, JOB_STATUS, PATH

TRAINING_JOB_REQUESTS: list[Any] = [
    {"workload": "digits-mlp"},
    {
        "workload": "digits-mlp",
        "schedule": {"policy": "triangular2", "base_lr": 0.02, "max_lr": 0.1, "step_size": 88},
        "num_cycles": 5,
        "patience": 2,
    },
    {"range_test_id": JOB_ID, "schedule": {"policy": "one_cycle"}, "num_epochs": 16},
]
TRAINING_PATH = "/training-jobs/5a1e0d8b-0b8e-4f4e-9f0c-3d8f4f1f2a10"
TRAINING_SCHEDULE: dict[str, Any] = {
    "policy": "triangular",
    "base_lr": 0.025,
    "max_lr": 0.1,
    "step_size": 86,
    "step_size_down": None,
}
CYCLE_END: dict[str, Any] = {"cycle": 4, "step": 687, "loss": 0.06, "accuracy": 0.985}
TRAINED: dict[str, Any] = JOB_STATUS | {
    "id": TRAINING_PATH.removeprefix("/training-jobs/"),
    "project": "default",
    "kind": "training_job",
    "status": "succeeded",
    "outcome": "trained",
    "after_job": JOB_ID,
    "finished_at": "2026-11-25T12:00:05.000000Z",
    "progress": JOB_STATUS["progress"] | {"phase": "training", "completed": 688, "total": 688},
    "links": {"self": TRAINING_PATH, "events": f"/jobs/{TRAINING_PATH.removeprefix('/training-jobs/')}/events"}
    | {
        name: f"{TRAINING_PATH}/{name}"
        for name in ("curve", "plot.svg", "plot.png", "plot.pdf", "checkpoints", "cancel", "resume")
    }
    | {"range_test": PATH},
    "config": JOB["config"] | {"schedule": {"policy": "triangular"}, "num_cycles": 4, "range_test_id": JOB_ID},
    "result": {
        "schedule": TRAINING_SCHEDULE,
        "num_steps": 688,
        "steps_per_epoch": 43,
        "stopped_early": False,
        "final": CYCLE_END,
        "best": CYCLE_END,
    },
    "warnings": [],
}  # fmt: skip
TRAINING: dict[str, Any] = TRAINED | {
    "status": "queued", "outcome": None, "progress": None, "attempt": 0, "started_at": None, "finished_at": None,
    "result": None,
}  # fmt: skip
CHECKPOINT: dict[str, Any] = {
    "step": 687,
    "cycle": 4,
    "best": True,
    "size_bytes": 223_865,
    "hostname": "gpu-box",
    "created_at": "2026-11-25T12:00:05.000000Z",
    "links": {"self": f"{TRAINING_PATH}/checkpoints/687"},
}
