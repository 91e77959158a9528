"""What a range test measured and found: its bounds, its curve, its picture."""

from threading import Lock
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from api import curves
from api.errors import Problem, carrying, responses
from api.jobs import POLL_S, JobId, JobView, find
from api.range_tests import KIND
from api.snippets import torch_snippet
from api.state import Opened, State
from clr.plots import figure, render
from clr.range_test import Sweep
from store import jobs
from store.curves import StoredSweep, load
from store.models import Job
from store.status import FINAL, Status

MAX_STEP = 2**53  # a step is stored as a float64
PLOT_POINTS = 20_000  # of a run; a longer one is thinned, as drawing a million takes minutes
DRAWING = Lock()  # matplotlib's settings and fonts are shared by all threads

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


@router.get(
    "/curve",
    response_model=curves.Curve,
    responses=responses(404, 422, _200={"content": {"text/csv": {"schema": {"type": "string"}}}}),
)
def get_curve(
    state: Opened,
    job_id: JobId,
    request: Request,
    max_points: Annotated[
        int | None, Query(ge=4, le=MAX_STEP, description="most rows of each series; the extremes stay")
    ] = None,
    after_step: Annotated[int, Query(ge=-1, le=MAX_STEP, description="only rows of later steps")] = -1,
    format: Annotated[Literal["json", "csv"] | None, Query(description="default: by Accept")] = None,
) -> Response:
    """The raw points of every seed and sweep, also while the job runs."""
    job, sweeps = _measured(state, job_id, after_step=after_step)
    accepted = request.headers.get("Accept", "")
    if format == "csv" or (format is None and "text/csv" in accepted and "json" not in accepted):
        text, media_type = curves.as_csv(sweeps, max_points=max_points), "text/csv"
    else:
        answer = curves.curve(sweeps, complete=job.status in FINAL, max_points=max_points)
        text, media_type = answer.model_dump_json(), "application/json"
    return Response(text, headers={"Vary": "Accept"}, media_type=media_type)


def _measured(state: State, job_id: str, *, after_step: int = -1) -> tuple[Job, list[StoredSweep]]:
    with state.database.read() as session:
        return jobs.get(session, job_id, kind=KIND), load(session, job_id, after_step=after_step)


@router.get(
    "/plot.{format}",
    response_class=Response,
    responses=responses(404, 409, _200={"content": {"image/svg+xml": {}, "image/png": {}}}),
)
def get_plot(state: Opened, job_id: JobId, format: Literal["svg", "png"]) -> Response:
    """The curve with both bounds and their intervals; of a running job, what there is.

    409 `no_points` until the first point is stored.
    """
    job, stored = _measured(state, job_id)
    sweeps = [
        Sweep.from_columns(
            sweep.plan,
            {name: curves.downsample(columns, PLOT_POINTS) for name, columns in sweep.series.items()},
        )
        for sweep in stored
    ]
    if not any(sweep.points for sweep in sweeps):
        raise Problem(409, "no_points", "nothing is measured yet", headers={"Retry-After": str(POLL_S)})
    title = f"{job.workload}, {job.config['optimizer']['name']}"
    with DRAWING:
        picture = render(figure(sweeps, job.result, title=title, otherwise=job.status), format)
    return Response(picture, media_type={"svg": "image/svg+xml", "png": "image/png"}[format])
