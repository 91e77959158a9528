"""Recommended bounds put to the test: short trainings around them, and what those say."""

from typing import Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from api.comparison_views import ComparisonStatus, ComparisonView, describe_status, view_comparison
from api.idempotency import IdempotencyKey, accept, identify
from api.jobs import JobId, find
from api.openapi import carrying, responses
from api.requests.body import require_json
from api.requests.comparison import ConfirmationRequest
from api.security import ResourcesDep
from api.submissions.comparison import (
    ask_for_confirmation,
    list_members,
    plan_comparison,
    submit_confirmation,
)
from api.validation import VALIDATED, ValidateOnly, answer_validated
from clr.bounds import Bounds
from clr.confirmation import Verdict
from clr.verdict import find_verdict
from store import comparisons
from store.status import Kind

router = APIRouter(prefix="/range-tests/{id}/confirmations", tags=["range tests"])


class ConfirmationByComparison(BaseModel):
    """A comparison around the bounds; `verdict` is null until it can be given, and may change until it is final."""

    comparison: ComparisonStatus
    verdict: Verdict | None


class Confirmations(BaseModel):
    """Every confirmation of a range test, newest first."""

    items: list[ConfirmationByComparison]


@router.post(
    "",
    status_code=202,
    response_model=ComparisonView,
    dependencies=[Depends(require_json)],
    responses=responses(
        400, 404, 409, 413, 415, 422, _200=VALIDATED, _202=carrying("Location", "Retry-After")
    ),
)
def confirm(
    resources: ResourcesDep,
    job_id: JobId,
    body: ConfirmationRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
    validate_only: ValidateOnly = False,
) -> Any:
    """Queue a comparison of cycles within half, the whole and double the bounds, constant_lr and one cycle."""
    range_test = find(resources, job_id, kind=Kind.RANGE_TEST)
    if validate_only:
        new = plan_comparison(resources, ask_for_confirmation(range_test, body))
        return answer_validated(new.config, list_members(new))
    key = identify(idempotency_key, body, job_id)
    comparison, replayed = submit_confirmation(resources, range_test, body, **key)
    resources.ringer.ring()
    with resources.database.read() as session:
        view = view_comparison(comparison, resources.tables.read(session, comparison))
    accept(response, view.links["self"], replayed=replayed)
    return view


@router.get("", responses=responses(404))
def list_confirmations(resources: ResourcesDep, job_id: JobId) -> Confirmations:
    """What the trainings around the bounds say of them."""
    range_test = find(resources, job_id, kind=Kind.RANGE_TEST)
    items = []
    with resources.database.read() as session:
        for comparison in comparisons.of_range_test(session, job_id):
            table = resources.tables.read(session, comparison)
            status = ComparisonStatus(**describe_status(comparison, table.count()))
            verdict = None
            if range_test.result is not None and table.metric is not None:
                verdict = find_verdict(Bounds.from_dict(range_test.result), table.runs, metric=table.metric)
            items.append(ConfirmationByComparison(comparison=status, verdict=verdict))
    return Confirmations(items=items)
