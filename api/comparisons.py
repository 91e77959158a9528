"""Comparisons over HTTP: several schedules on one workload at an equal budget, their table and their picture."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy.orm import Session

from api.checkpoints import forget_files
from api.comparison_views import ComparisonStatus, ComparisonView, describe_status, view_comparison
from api.idempotency import IdempotencyKey, accept, identify
from api.jobs import POLL_S, JobId, whose
from api.openapi import carrying, responses
from api.paging import Page, Paging
from api.pictures import PICTURES, answer_picture
from api.requests.body import require_json
from api.requests.comparison import ComparisonRequest
from api.security import ResourcesDep
from api.submissions.comparison import submit_comparison
from clr.comparison import compare
from clr.picture_format import PictureFormat
from clr.plots.comparison import draw_comparison
from store import audit, comparisons
from store.audit import Action
from store.errors import NotFound
from store.models import Comparison
from store.status import FINAL

router = APIRouter(prefix="/comparisons", tags=["comparisons"])


@router.post(
    "",
    status_code=202,
    dependencies=[Depends(require_json)],
    responses=responses(400, 413, 415, 422, _202=carrying("Location", "Retry-After")),
)
def create_comparison(
    resources: ResourcesDep,
    body: ComparisonRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> ComparisonView:
    """Queue a training job for each entry and seed, and a range test for each optimizer that needs rates."""
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
def list_comparisons(resources: ResourcesDep, paging: Annotated[Paging, Query()]) -> Page[ComparisonStatus]:
    """Newest first."""
    with resources.database.read() as session:
        rows = comparisons.find(session, limit=paging.limit + 1, after=paging.after())
        page, token = paging.page(rows)
        counts = comparisons.count_jobs(session, [comparison.id for comparison in page])
    items = [ComparisonStatus(**describe_status(comparison, counts[comparison.id])) for comparison in page]
    return Page(items=items, next_page_token=token)


@router.get("/{id}", responses=responses(404))
def get_comparison(resources: ResourcesDep, job_id: JobId, response: Response) -> ComparisonView:
    """The table as far as it is known; `Retry-After` until every job is final."""
    with resources.database.read() as session:
        comparison = _get(session, job_id)
        view = view_comparison(comparison, resources.tables.read(session, comparison))
    if view.status not in FINAL:
        response.headers["Retry-After"] = str(POLL_S)
    return view


@router.post("/{id}/cancel", responses=responses(404, 409))
def cancel_comparison(resources: ResourcesDep, job_id: JobId) -> ComparisonView:
    """Cancel every job of it that is not final; what was measured stays."""
    with resources.database.write() as session:
        comparison = _get(session, job_id)
        comparisons.request_cancel(session, job_id)
        audit.record(session, Action.COMPARISON_CANCELLED, job_id, project=comparison.project)
    with resources.database.read() as session:
        return view_comparison(comparison, resources.tables.read(session, comparison))


@router.delete("/{id}", status_code=204, responses=responses(404, 409))
def delete_comparison(resources: ResourcesDep, job_id: JobId) -> None:
    """Remove a finished comparison with its jobs and everything measured."""
    with resources.database.write() as session:
        project = _get(session, job_id).project
        removed = comparisons.remove(session, job_id)
        audit.record(session, Action.COMPARISON_DELETED, job_id, project=project)
    for removed_id in removed:
        forget_files(resources, removed_id)


@router.get("/{id}/plot.{format}", name="get_comparison_plot", response_class=Response, responses=PICTURES)
def get_plot(resources: ResourcesDep, job_id: JobId, format: PictureFormat) -> Response:
    """The held-out metric against the step: each entry's mean and seeds, and its rate."""
    with resources.database.read() as session:
        comparison = _get(session, job_id)
        table = resources.tables.read(session, comparison)
    metric = table.metric or "accuracy"
    target, rows = compare(table.runs, metric=metric, target=comparison.config["target"])
    runs = {row.label: table.runs[row.label] for row in rows}
    return answer_picture(
        lambda: draw_comparison(
            runs,
            table.schedules(),
            metric=metric,
            target=target,
            title=f"Comparison on {comparison.workload}",
        ),
        format,
    )
