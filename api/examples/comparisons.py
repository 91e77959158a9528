"""A comparison as it is asked for and answered."""

from typing import Any

from api.examples.training_jobs import TRAINING_PATH, TRAINING_SCHEDULE

COMPARISON_REQUESTS: list[Any] = [
    {"workload": "digits-mlp", "preset": "paper"},
    {
        "workload": "digits-mlp",
        "entries": [
            {"schedule": {"policy": "fixed", "lr": 0.05}},
            {"schedule": {"policy": "triangular2"}, "label": "CLR"},
        ],
        "num_seeds": 5,
        "num_epochs": 16,
    },
]
COMPARISON_PATH = "/comparisons/c0a0f6b0-5c1d-4f0e-8a56-6a1c1c0f6f0e"
COMPARISON_STATUS: dict[str, Any] = {
    "id": COMPARISON_PATH.removeprefix("/comparisons/"),
    "project": "default",
    "name": None,
    "tags": [],
    "workload": "digits-mlp",
    "status": "succeeded",
    "progress": {"completed": 7, "total": 7, "unit": "jobs"},
    "created_at": "2026-11-25T12:00:00.000000Z",
    "links": {"self": COMPARISON_PATH}
    | {name: f"{COMPARISON_PATH}/{name}" for name in ("plot.svg", "plot.png", "plot.pdf", "cancel")},
    "range_test_id": None,
}
COMPARISON: dict[str, Any] = COMPARISON_STATUS | {
    "metric": "accuracy",
    "target": 0.979,
    "test": "Welch's t-test over seeds against the best mean, two-sided, Holm-corrected, at 5 %",
    "within_noise": ["triangular2"],
    "rows": [
        {
            "label": "triangular2",
            "schedule": TRAINING_SCHEDULE | {"policy": "triangular2"},
            "optimizer": "SGD",
            "jobs": [TRAINING_PATH.removeprefix("/training-jobs/")],
            "statuses": {"succeeded": 3},
            "final": {"mean": 0.98, "std": 0.002},
            "best": {"mean": 0.981, "std": 0.002},
            "num_steps": 688,
            "steps_to_target": 297.0,
            "reached": 3,
            "diverged": 0,
            "p_value": None,
            "within_noise": True,
        }
    ],
    "warnings": [],
    "config": {"preset": None, "entries": [], "seed": 0, "num_seeds": 3, "num_cycles": 4},
}
