"""A key, a session and an entry of the audit trail."""

from typing import Any

from api.examples.range_tests import JOB_ID

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
