"""Range tests over HTTP: how one is asked for. For what they find: bounds.py; for the rest: job_routes.py."""

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import Discriminator, Tag

from api.idempotency import IdempotencyKey, accept, identify
from api.job_routes import add_job_routes
from api.jobs import JobView
from api.openapi import carrying, responses
from api.requests.body import require_json
from api.requests.client import find_driver
from api.requests.range_test import ClientRangeTestRequest, RangeTestRequest
from api.security import ResourcesDep
from api.submissions.range_test import plan_asked_test, submit_range_test
from api.validation import VALIDATED, ValidateOnly, answer_validated
from store.status import Driver, Kind

log = logging.getLogger(__name__)

AnyRangeTestRequest = Annotated[
    Annotated[RangeTestRequest, Tag("worker")] | Annotated[ClientRangeTestRequest, Tag("client")],
    Discriminator(find_driver),
]

router = APIRouter(prefix="/range-tests", tags=["range tests"])


@router.post(
    "",
    status_code=202,
    response_model=JobView,
    dependencies=[Depends(require_json)],
    responses=responses(400, 413, 415, 422, _200=VALIDATED, _202=carrying("Location", "Retry-After")),
)
def create_range_test(
    resources: ResourcesDep,
    body: AnyRangeTestRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
    validate_only: ValidateOnly = False,
) -> Any:
    """Queue a range test; poll `Location` until its status is final.

    With `"driver": "client"` nobody queues: the caller's own process asks for each sweep and reports what it measures.

    A replay of an Idempotency-Key is marked by the header `Idempotent-Replayed: true`.
    """
    if validate_only:
        with resources.database.read() as session:
            new = plan_asked_test(session, resources, body)
        return answer_validated(new.config, [new])
    job, replayed = submit_range_test(resources, body, **identify(idempotency_key, body))
    if job.driver == Driver.WORKER:
        resources.ringer.ring()
    log.info("accepted a range test of %s", job.workload, extra={"job_id": job.id})
    view = JobView.of(job)
    accept(response, view.links["self"], replayed=replayed)
    return view


add_job_routes(router, kind=Kind.RANGE_TEST, view=JobView)
