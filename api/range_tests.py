"""Range tests over HTTP: how one is asked for. For what they find: bounds.py; for the rest: job_routes.py."""

import logging

from fastapi import APIRouter, Depends, Response

from api.idempotency import IdempotencyKey, accept, identify
from api.job_routes import add_job_routes
from api.jobs import JobView
from api.openapi import carrying, responses
from api.requests.body import require_json
from api.requests.range_test import RangeTestRequest
from api.resources import ResourcesDep
from api.submissions.range_test import submit_range_test
from store.status import Kind

log = logging.getLogger(__name__)

router = APIRouter(prefix="/range-tests", tags=["range tests"])


@router.post(
    "",
    status_code=202,
    dependencies=[Depends(require_json)],
    responses=responses(400, 413, 415, 422, _202=carrying("Location", "Retry-After")),
)
def create_range_test(
    resources: ResourcesDep,
    body: RangeTestRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> JobView:
    """Queue a range test; poll `Location` until its status is final.

    A replay of an Idempotency-Key is marked by the header `Idempotent-Replayed: true`.
    """
    job, replayed = submit_range_test(resources, body, **identify(idempotency_key, body))
    resources.ringer.ring()
    log.info("queued a range test of %s", job.workload, extra={"job_id": job.id})
    view = JobView.of(job)
    accept(response, view.links["self"], replayed=replayed)
    return view


add_job_routes(router, kind=Kind.RANGE_TEST, view=JobView)
