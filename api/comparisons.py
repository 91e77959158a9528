"""Comparisons over HTTP: several schedules on one workload at an equal budget, their table and their picture."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from api.checkpoints import forget_files
from api.comparison_views import ComparisonStatus, ComparisonView, describe_status, view_comparison
from api.drawing import draw_comparison
from api.finality import tag
from api.idempotency import IdempotencyKey, accept, identify
from api.jobs import POLL_S, JobId, whose
from api.openapi import carrying, responses
from api.paging import ComparisonFilters, FoundPage
from api.pictures import PICTURES, answer_picture
from api.requests.about import AboutRequest
from api.requests.body import require_json
from api.requests.comparison import ComparisonRequest
from api.resources import Resources
from api.security import ResourcesDep
from api.submissions.comparison import list_members, plan_comparison, submit_comparison
from api.validation import VALIDATED, ValidateOnly, answer_validated
from clr.picture_format import PictureFormat
from store import about, audit, chores, comparisons
from store.audit import Action
from store.errors import NotFound
from store.models import Comparison
from store.status import FINAL

router = APIRouter(prefix="/comparisons", tags=["comparisons"])


@router.post(
    "",
    status_code=202,
    response_model=ComparisonView,
    dependencies=[Depends(require_json)],
    responses=responses(400, 413, 415, 422, _200=VALIDATED, _202=carrying("Location", "Retry-After")),
)
def create_comparison(
    resources: ResourcesDep,
    body: ComparisonRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
    validate_only: ValidateOnly = False,
) -> Any:
    """Queue a training job for each entry and seed, and a range test for each optimizer that needs rates."""
    if validate_only:
        new = plan_comparison(resources, body)
        return answer_validated(new.config, list_members(new))
    comparison, replayed = submit_comparison(resources, body, **identify(idempotency_key, body))
    resources.ringer.ring()
    with resources.database.read() as session:
        view = view_comparison(comparison, resources.tables.read(session, comparison))
    accept(response, view.links["self"], replayed=replayed)
    return view


def _get(session: Session, id: str) -> Comparison:
    try:
        return comparisons.get(session, id)
    except NotFound:
        raise NotFound(whose(session, id)) from None


@router.get("", responses=responses(400, 422))
def list_comparisons(
    resources: ResourcesDep, filters: Annotated[ComparisonFilters, Query()]
) -> FoundPage[ComparisonStatus]:
    """Newest first."""
    narrowing = filters.model_dump(include={"status", "workload", "tag", "range_test_id"})
    asked: dict[str, Any] = narrowing | {"limit": filters.limit + 1, "after": filters.after()}
    stopped_at = None
    with resources.database.read() as session:
        if filters.text:
            rows, stopped_at = comparisons.search(session, filters.text, **asked)
        else:
            rows = comparisons.find(session, **asked)
        counts = comparisons.count_jobs(session, [comparison.id for comparison in rows])
    return filters.found(
        rows,
        stopped_at,
        lambda comparison: ComparisonStatus(**describe_status(comparison, counts[comparison.id])),
    )


@router.get("/{id}", responses=responses(404))
def get_comparison(resources: ResourcesDep, job_id: JobId, response: Response) -> ComparisonView:
    """The table as far as it is known; `Retry-After` until every job is final."""
    with resources.database.read() as session:
        comparison = _get(session, job_id)
        view = view_comparison(comparison, resources.tables.read(session, comparison))
    if view.status not in FINAL:
        response.headers["Retry-After"] = str(POLL_S)
    return view


@router.patch("/{id}", dependencies=[Depends(require_json)], responses=responses(400, 404, 413, 415, 422))
def describe_comparison(resources: ResourcesDep, job_id: JobId, body: AboutRequest) -> ComparisonStatus:
    """Change its name and tags; what is left out stays, and its jobs keep theirs."""
    with resources.database.write() as session:
        _get(session, job_id)
        comparison = about.describe_comparison(session, job_id, body.changes())
        counts = comparisons.count_jobs(session, [job_id])
    return ComparisonStatus(**describe_status(comparison, counts[job_id]))


@router.post("/{id}/cancel", responses=responses(404, 409))
def cancel_comparison(resources: ResourcesDep, job_id: JobId) -> ComparisonView:
    """Cancel every job of it that is not final; what was measured stays."""
    with resources.database.write() as session:
        comparison = _get(session, job_id)
        comparisons.request_cancel(session, comparison.id)
        audit.record(session, Action.COMPARISON_CANCELLED, job_id, project=comparison.project)
    chores.finish(resources.database, job_id)
    with resources.database.read() as session:
        comparison = _get(session, job_id)
        return view_comparison(comparison, resources.tables.read(session, comparison))


@router.delete("/{id}", status_code=204, responses=responses(404, 409))
def delete_comparison(resources: ResourcesDep, job_id: JobId) -> None:
    """Remove a finished comparison with its jobs and everything measured."""
    with resources.database.write() as session:
        project = _get(session, job_id).project
        removed = comparisons.remove(session, job_id)
        audit.record(session, Action.COMPARISON_DELETED, job_id, project=project)
    chores.finish(resources.database, job_id)
    chores.free(resources.database)
    for removed_id in removed:
        forget_files(resources, removed_id)


@router.get("/{id}/plot.{format}", name="get_comparison_plot", response_class=Response, responses=PICTURES)
async def get_plot(
    resources: ResourcesDep, job_id: JobId, request: Request, format: PictureFormat
) -> Response:
    """The held-out metric against the step: each entry's mean and seeds, and its rate."""
    known = await run_in_threadpool(_tag_if_final, request, resources, job_id)
    return await answer_picture(
        request, resources.pool, resources.pictures, known, format, draw_comparison, job_id
    )


def _tag_if_final(request: Request, resources: Resources, id: str) -> str | None:
    with resources.database.read() as session:
        comparison = _get(session, id)
        jobs = comparisons.jobs_of(session, id)
    return tag(request, *jobs, comparison) if all(job.status in FINAL for job in jobs) else None
