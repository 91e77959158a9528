"""What a range test found, and what is read from a curve."""

from typing import Any

from api.examples.comparisons import COMPARISON_STATUS
from api.examples.range_tests import JOB_ID
from api.examples.training_jobs import TRAINING_SCHEDULE

CONFIRMATION: dict[str, Any] = {
    "comparison": COMPARISON_STATUS | {"range_test_id": JOB_ID},
    "verdict": {
        "outcome": "confirmed",
        "base_lr": 0.025,
        "max_lr": 0.1,
        "margin": 0.001,
        "message": "max_lr / 2 was better, but within the noise",
    },
}
TRIED: dict[str, Any] = {
    "label": "max_lr",
    "schedule": TRAINING_SCHEDULE | {"step_size": 80},
    "seeds": [3],
    "finals": [0.9775],
    "mean": 0.9775,
}
SEED_READ: dict[str, Any] = {
    "seed": 0,
    "metric": "accuracy",
    "floor": 0.1,
    "peak": 0.97,
    "rise_lr": 0.0031,
    "lower_lr": 0.02,
    "upper_lr": 0.1,
    "reaches_end": False,
    "learns": True,
}
BOUNDS: dict[str, Any] = {
    "base_lr": 0.025,
    "max_lr": 0.1,
    "constant_lr": 0.05,
    "base_lr_interval": [0.01578, 0.03963],
    "max_lr_interval": [0.0631, 0.1585],
    "rule_base": "quarter_of_max",
    "rule_max": "plateau_ends",
    "reason_base": "max_lr / 4, the paper's rule of thumb",
    "reason_max": "above it accuracy leaves the plateau around its peak",
    "evidence": {"range": {"shape": "linear", "start_lr": 0.0008, "end_lr": 0.32}, "seeds": [SEED_READ]},
    "step_size": 45,
    "steps_per_epoch": 22.5,
    "warnings": [],
    "candidates": [{"name": "valley", "lr": 0.04, "note": "fastai's default rule"}],
    "sensitivity": {
        "metric": "accuracy",
        "off_by_2": 0.012,
        "off_by_4": 0.031,
        "by_factor": [
            {"factor": 0.25, "lost": 0.021},
            {"factor": 0.5, "lost": 0.012},
            {"factor": 2.0, "lost": 0.009},
            {"factor": 4.0, "lost": 0.031},
        ],
    },
    "analyzer": "bounds@8",
    "measured_by": "worker",
    "depends_on": {
        "params": {},
        "optimizer": {"name": "SGD", "momentum": 0.9},
        "batch_size": 64,
        "data": "sha256:5f1d0c",
    },
    "cost": {"steps": 4510, "seconds": 15.2, "unread_steps": 0},
    "confirmation": {
        "outcome": "confirmed",
        "metric": "accuracy",
        "margin": 0.0,
        "message": "nothing around it was clearly better (3 trainings of 320 steps)",
        "tried": [TRIED],
        "steps": 960,
        "policy": None,
        "num_steps": 320,
        "factor": 1.0,
    },
    "turn": None,
    "collapse": None,
    "breaks_at": 0.6,
    "for_budget": {
        "num_steps": 1350,
        "step_size": 168,
        "num_cycles": 4,
        "policy": "triangular",
        "base_lr": 0.0155,
        "max_lr": 0.0619,
        "max_lr_interval": [0.039, 0.0981],
        "constant_lr": 0.031,
        "basis": "length",
        "reason": "4.22 times as long as 320 steps or an epoch: lowered to 0.62 of the range test's, by the cube root "
        "of the length: within 10 times max_lr the scout lost what it had learned, and such networks did not always "
        "bear max_lr for long",
    },
    "snippet": "scheduler = CyclicLR(optimizer, base_lr=0.025, max_lr=0.1, step_size_up=45, cycle_momentum=False)",
}
ANALYSIS: dict[str, Any] = {
    "analyzer": "valley@1",
    "outcome": "lr_found",
    "result": {"lr": 0.04, "note": "fastai's default rule"},
    "created_at": "2026-11-25T12:00:00.000000Z",
}
CURVE_ANALYSIS: dict[str, Any] = {
    "analyzer": "bounds@8",
    "outcome": "bounds_found",
    "result": {"base_lr": 0.1, "max_lr": 0.4, "warnings": ["only 2 of 3 seeds learned"]},
}
CURVE_TO_READ: dict[str, Any] = {  # sixteen steps, as short as can be
    "lr": [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0],
    "loss": [2.31, 2.3, 2.3, 2.29, 2.26, 2.2, 2.05, 1.8, 1.4, 1.0, 0.7, 0.55, 0.6, 1.1, 2.9, None],
    "held_out": {"step": [3, 7, 11], "loss": [2.28, 1.75, 0.6], "accuracy": [0.12, 0.45, 0.83]},
}
