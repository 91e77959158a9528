"""What a range test found: its bounds, its picture."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from api.errors import Problem, carrying, responses
from api.job_routes import measured
from api.jobs import POLL_S, JobId, JobView, find
from api.pictures import PICTURES, Format, picture, thinned
from api.range_tests import KIND
from api.snippets import torch_snippet
from api.state import Opened
from clr.plots import figure
from clr.range_test import Sweep
from store.status import FINAL, Status

router = APIRouter(prefix="/range-tests/{id}", tags=["range tests"])


class CandidateView(BaseModel):
    """What another finder's rule says of the same curve."""

    name: str
    lr: float | None
    note: str


class BoundsView(BaseModel):
    """The recommended bounds, each with its interval over the seeds, its rule and its reason."""

    base_lr: float
    max_lr: float
    base_lr_interval: tuple[float, float]
    max_lr_interval: tuple[float, float]
    rule_base: str
    rule_max: str
    reason_base: str
    reason_max: str
    evidence: dict[str, Any]
    step_size: int = Field(description="steps in half a cycle")
    steps_per_epoch: float | None
    warnings: list[str]
    candidates: list[CandidateView]
    snippet: str = Field(description="torch code to paste")


@router.get(
    "/bounds",
    response_model=BoundsView,
    responses=responses(
        404,
        409,
        _202=carrying("Retry-After") | {"model": JobView, "description": "not ready yet"},
    ),
)
def get_bounds(state: Opened, job_id: JobId) -> Any:
    """The recommended bounds; 202 until the job is final.

    409 where there are none, by `code`: `inconclusive` with `why`, `next_experiment` and `candidates`;
    `job_failed` with `reason`; `job_cancelled`.
    """
    job = find(state, job_id, kind=KIND)
    if job.status not in FINAL:
        body = JobView.of(job).model_dump_json()
        return Response(body, 202, headers={"Retry-After": str(POLL_S)}, media_type="application/json")
    if job.status == Status.CANCELLED:
        raise Problem(409, "job_cancelled", "the job was cancelled before it found bounds")
    if job.status == Status.FAILED:
        raise Problem(409, "job_failed", job.message or "", reason=job.reason)
    found = job.result or {}
    if job.outcome == "inconclusive":
        members = {name: found[name] for name in ("why", "next_experiment", "candidates")}
        raise Problem(409, "inconclusive", found["message"], **members)
    return found | {"snippet": torch_snippet(found)}


@router.get("/plot.{format}", name="get_range_test_plot", response_class=Response, responses=PICTURES)
def get_plot(state: Opened, job_id: JobId, format: Format) -> Response:
    """The curve with both bounds and their intervals; of a running job, what there is.

    409 `no_points` until the first point is stored.
    """
    job, stored = measured(state, job_id, kind=KIND)
    sweeps = [Sweep.from_columns(sweep.plan, sweep.series) for sweep in thinned(stored)]
    title = f"{job.workload}, {job.config['optimizer']['name']}"
    return picture(lambda: figure(sweeps, job.result, title=title, otherwise=job.status), format)
