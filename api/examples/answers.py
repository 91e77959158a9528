"""The example of every answer of the OpenAPI document, by operation and status."""

from typing import Any

from api.examples.bounds import ANALYSIS, BOUNDS, CONFIRMATION, CURVE_ANALYSIS
from api.examples.client_runs import ASKED_RATES, ASKED_SWEEP, FINISHED, REPORTED
from api.examples.comparisons import COMPARISON, COMPARISON_STATUS
from api.examples.keys import AUDITED, KEY, SESSION
from api.examples.range_tests import CANCELLED, CANCELLING, CURVE, JOB, JOB_ID, JOB_STATUS, QUEUED, VALIDATED
from api.examples.training_jobs import CHECKPOINT, TRAINED, TRAINING
from api.examples.webhooks import DELIVERY, WEBHOOK
from api.examples.workloads import PREVIEW, WORKER, WORKLOAD


def _page(item: dict[str, Any]) -> dict[str, Any]:
    return {"items": [item], "next_page_token": None}


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
