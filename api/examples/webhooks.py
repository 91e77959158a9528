"""A webhook and a delivery."""

from typing import Any

from api.examples.range_tests import JOB_ID

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
