"""What requests and answers look like, for the OpenAPI document; a test holds them to their schemas."""

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

CLIENT_RANGE_TEST_REQUESTS: list[Any] = [
    {
        "driver": "client",
        "name": "bert on sst2",
        "optimizer": {"name": "AdamW"},
        "batch_size": 32,
        "steps_per_epoch": 2105,
    }
]

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

PREVIEW_REQUESTS: list[Any] = [
    {
        "schedule": {"policy": "triangular2", "base_lr": 0.001, "max_lr": 0.006, "step_size": 2000},
        "num_steps": 12_000,
        "every": 1000,
    }
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
    "seeds": [3, 4],
    "finals": [0.975, 0.98],
    "mean": 0.9775,
    "dropped_after": None,
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
    "analyzer": "bounds@6",
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
        "message": "nothing around it was better",
        "tried": [TRIED],
        "steps": 2560,
    },
    "turn": None,
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
    "analyzer": "bounds@6",
    "outcome": "bounds_found",
    "result": {"base_lr": 0.1, "max_lr": 0.4, "warnings": ["only 2 of 3 seeds learned"]},
}

CURVE_TO_READ: dict[str, Any] = {  # sixteen steps, as short as can be
    "lr": [0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0],
    "loss": [2.31, 2.3, 2.3, 2.29, 2.26, 2.2, 2.05, 1.8, 1.4, 1.0, 0.7, 0.55, 0.6, 1.1, 2.9, None],
    "held_out": {"step": [3, 7, 11], "loss": [2.28, 1.75, 0.6], "accuracy": [0.12, 0.45, 0.83]},
}

ASK_REQUESTS: list[Any] = [{"client_id": "my-laptop"}, {"client_id": "my-laptop", "restart": True}]

POINTS_REQUESTS: list[Any] = [
    {
        "token": "q2vZ8eYb1nD0aRkLwTfXcH5mPsJ9uGgE",
        "from_step": 40,
        "loss": [1.31, 1.28, None],
        "held_out": {"step": [41], "loss": [1.35], "accuracy": [0.52]},
    }
]

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


def _page(item: dict[str, Any]) -> dict[str, Any]:
    return {"items": [item], "next_page_token": None}


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

WEBHOOK_REQUESTS: list[Any] = [{"url": "https://example.org/clr", "events": ["job.succeeded", "job.failed"]}]
WEBHOOK: dict[str, Any] = {
    "id": "3f9a1c8e-2f63-4a1c-8c0b-5a6b7c8d9e0f",
    "url": "https://example.org/clr",
    "events": ["job.succeeded", "job.failed"],
    "created_at": "2026-11-28T12:00:00.000000Z",
    "links": {
        "self": "/webhooks/3f9a1c8e-2f63-4a1c-8c0b-5a6b7c8d9e0f",
        "deliveries": "/webhooks/3f9a1c8e-2f63-4a1c-8c0b-5a6b7c8d9e0f/deliveries",
    },
}
DELIVERY: dict[str, Any] = {
    "id": "7c1e4d2a-9b8f-4f5a-a1c3-0d9e8f7a6b5c",
    "event": "job.succeeded",
    "job_id": JOB_ID,
    "comparison_id": None,
    "status": "delivered",
    "attempts": 1,
    "answer": 204,
    "message": "",
    "created_at": "2026-11-28T12:00:05.000000Z",
    "next_attempt_at": None,
    "finished_at": "2026-11-28T12:00:06.000000Z",
}

VALIDATED: dict[str, Any] = {
    "config": JOB["config"],
    "num_jobs": 1,
    "most_steps": 11_000,
    "warnings": [],
}

KEY: dict[str, Any] = {
    "id": JOB_ID,
    "name": "nightly CI",
    "project": "vision",
    "scope": "submit",
    "prefix": "clr_Wm9vIGJh",
    "queued_jobs": None,
    "steps_a_day": 5_000_000,
    "requests_a_minute": None,
    "created_at": "2026-11-28T09:00:00.000000Z",
    "created_by": "CLR_ADMIN_KEY",
    "expires_at": "2027-02-26T09:00:00.000000Z",
    "revoked_at": None,
}

SESSION: dict[str, Any] = {
    "key": "clr_Wm9vIGJh",
    "name": "nightly CI",
    "project": "vision",
    "scope": "submit",
    "expires_at": "2026-11-28T21:00:00.000000Z",
}

AUDITED: dict[str, Any] = {
    "id": JOB_ID,
    "created_at": "2026-11-28T09:30:00.000000Z",
    "action": "job_deleted",
    "subject": JOB_ID,
    "project": "vision",
    "key": "clr_Wm9vIGJh",
    "key_name": "nightly CI",
}

ANSWERS: dict[str, dict[str, Any]] = {  # by operation and status
    "create_range_test": {"200": VALIDATED, "202": QUEUED},
    "list_range_tests": {"200": _page(JOB)},
    "get_range_test": {"200": JOB},
    "ask_sweep": {"200": ASKED_SWEEP},
    "put_range_test_points": {"200": REPORTED},
    "finish_range_test_run": {"200": FINISHED},
    "cancel_range_test": {"200": CANCELLED, "202": CANCELLING},
    "analyse": {"200": ANALYSIS},
    "analyse_curve": {"200": CURVE_ANALYSIS},
    "list_analyses": {"200": {"items": [ANALYSIS]}},
    "get_bounds": {"200": BOUNDS, "202": QUEUED},
    "get_range_test_curve": {"200": CURVE},
    "create_training_job": {"200": VALIDATED, "202": TRAINING},
    "list_training_jobs": {"200": _page(TRAINED)},
    "get_training_job": {"200": TRAINED},
    "get_training_job_curve": {"200": CURVE},
    "cancel_training_job": {
        "200": TRAINING | {"status": "cancelled"},
        "202": TRAINING | {"status": "cancelling"},
    },
    "ask_rates": {"200": ASKED_RATES},
    "put_training_job_points": {"200": REPORTED},
    "finish_training_job_run": {"200": FINISHED | {"outcome": "trained"}},
    "resume_training_job": {"200": VALIDATED, "202": TRAINING},
    "create_comparison": {"200": VALIDATED, "202": COMPARISON | {"status": "queued"}},
    "list_comparisons": {"200": _page(COMPARISON_STATUS)},
    "get_comparison": {"200": COMPARISON},
    "describe_comparison": {"200": COMPARISON_STATUS | {"name": "weekly"}},
    "cancel_comparison": {"200": COMPARISON | {"status": "cancelling"}},
    "confirm": {"200": VALIDATED, "202": COMPARISON | {"status": "queued", "range_test_id": JOB_ID}},
    "list_confirmations": {"200": {"items": [CONFIRMATION]}},
    "list_checkpoints": {"200": {"items": [CHECKPOINT]}},
    "list_all_jobs": {"200": _page(JOB_STATUS)},
    "get_job": {"200": JOB_STATUS},
    "describe_job": {"200": JOB_STATUS | {"name": "weekly"}},
    "create_webhook": {"201": WEBHOOK | {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}},
    "list_webhooks": {"200": {"items": [WEBHOOK]}},
    "get_webhook": {"200": WEBHOOK},
    "list_deliveries": {"200": {"items": [DELIVERY]}},
    "test_webhook": {
        "202": DELIVERY
        | {
            "event": "webhook.test",
            "job_id": None,
            "status": "pending",
            "attempts": 0,
            "answer": None,
            "message": None,
            "finished_at": None,
        }
    },
    "preview_schedule": {"200": PREVIEW},
    "list_workloads": {"200": {"items": [WORKLOAD]}},
    "get_workload": {"200": WORKLOAD},
    "list_workers": {"200": {"items": [WORKER]}},
    "create_key": {"201": KEY | {"secret": "clr_Wm9vIGJhciBiYXogcXV4IHF1dXggY29yZ2UgZ3JhdWw"}},
    "list_keys": {"200": _page(KEY)},
    "revoke_key": {"200": KEY | {"revoked_at": "2026-12-01T09:00:00.000000Z"}},
    "begin_session": {"200": SESSION},
    "get_session": {"200": SESSION},
    "list_audit": {"200": _page(AUDITED)},
    "healthz": {"200": {"status": "ok"}},
    "readyz": {"200": {"status": "ok"}},
}
