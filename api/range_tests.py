"""Range tests over HTTP: queue one, follow it, fetch its bounds, curve and picture."""

import asyncio
import hashlib
import time
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field, FiniteFloat, StrictInt, field_validator
from pydantic_core.core_schema import ValidationInfo

from api import curves
from api.errors import Problem, invalid, responses
from api.jobs import POLL_S, Filtered, JobView, Page, list_jobs, suggest_polling
from api.plain import Body, Text, require_json
from api.snippets import torch_snippet
from api.state import Opened, State
from api.workloads import find_workload, resolve_params
from clr.optimizers import OptimizerSpec, parse_optimizer
from clr.plots import figure, render
from clr.range_test import Effort, Sweep
from store import jobs
from store.curves import StoredSweep, load
from store.errors import NotFound
from store.jobs import NewJob
from store.models import Job, Workload
from store.status import FINAL, Status

KIND = "range_test"
LONGEST_WAIT_S = 60.0
LOOK_S = 0.2  # between two looks while a request waits

router = APIRouter(prefix="/range-tests", tags=["range tests"])

LearningRate = Annotated[FiniteFloat, Field(gt=0, le=1e6, strict=True)]


class RangeTestRequest(Body):
    """A range test; everything but `workload` has a default."""

    workload: Text = Field(max_length=200, description="a name of GET /workloads", examples=["digits-mlp"])
    params: dict[str, Any] = Field(default={}, description="the workload's own, by its params_schema")
    optimizer: OptimizerSpec | None = Field(default=None, description="default: the workload's")
    batch_size: StrictInt | None = Field(default=None, ge=1, le=65_536, description="default: the workload's")
    seed: StrictInt = Field(default=0, ge=0, le=2_000_000_000)
    num_seeds: StrictInt = Field(default=3, ge=1, le=20, description="seeds seed .. seed + num_seeds - 1")
    start_lr: LearningRate | None = Field(default=None, description="of the test sweeps; default: chosen")
    end_lr: LearningRate | None = Field(default=None, description="of the test sweeps; default: chosen")
    num_steps: StrictInt | None = Field(
        default=None, ge=12, description="of each test sweep; default: chosen"
    )
    effort: Effort = Field(default="standard", description="quick: one exponential sweep of one seed")
    timeout_s: Annotated[FiniteFloat, Field(gt=0, le=604_800, strict=True)] = 3600.0
    name: Text | None = Field(default=None, max_length=200)
    tags: list[Annotated[Text, Field(min_length=1, max_length=64)]] = Field(default=[], max_length=20)

    @field_validator("end_lr")
    @classmethod
    def _upward(cls, end_lr: float | None, info: ValidationInfo) -> float | None:
        start_lr = info.data.get("start_lr")
        if end_lr is not None and start_lr is not None and start_lr >= end_lr:
            raise ValueError(f"must be greater than start_lr ({start_lr:g})")
        return end_lr


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


IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$", description="makes a repeated POST safe"),
]


@router.post(
    "",
    status_code=202,
    dependencies=[Depends(require_json)],
    responses=responses(400, 401, 413, 415, 422, 503),
)
def create_range_test(
    state: Opened, body: RangeTestRequest, response: Response, idempotency_key: IdempotencyKey = None
) -> JobView:
    """Queue a range test; poll `Location` until its status is final."""
    budget = body.num_seeds * (body.num_steps or 0)
    if budget > state.settings.max_steps:
        allowed = state.settings.max_steps // body.num_seeds
        raise invalid("/num_steps", f"at most {allowed} with {body.num_seeds} seeds")
    with state.database.write() as session:
        workload = find_workload(session, body.workload)
        new = NewJob(
            kind=KIND,
            workload=workload.name,
            config=_resolve(body, workload),
            name=body.name,
            tags=body.tags,
            idempotency_key=idempotency_key,
            request_hash=hashlib.sha256(body.model_dump_json().encode()).hexdigest(),
        )
        job, replayed = jobs.create(session, new)
    state.sweeper.ring()
    view = JobView.of(job)
    response.headers["Location"] = view.links["self"]
    response.headers["Retry-After"] = str(POLL_S)
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return view


def _resolve(body: RangeTestRequest, workload: Workload) -> dict[str, Any]:
    optimizer = body.optimizer or parse_optimizer(workload.default_optimizer)
    given = body.model_dump(mode="json", exclude={"workload", "name", "tags"})
    return given | {
        "params": resolve_params(workload, body.params),
        "optimizer": optimizer.model_dump(mode="json"),
        "batch_size": body.batch_size or workload.default_batch_size,
    }


def _id(range_test_id: str) -> str:
    """A malformed id is nobody's."""
    try:
        return str(UUID(range_test_id))
    except ValueError:
        raise NotFound from None


JobId = Annotated[str, Depends(_id)]


def _find(state: State, job_id: str) -> Job:
    with state.database.read() as session:
        return jobs.get(session, job_id, kind=KIND)


@router.get("", responses=responses(400, 422, 503))
def list_range_tests(state: Opened, filters: Filtered) -> Page[JobView]:
    """Range tests, newest first."""
    page, token = list_jobs(state, filters, kind=KIND)
    return Page(items=[JobView.of(job) for job in page], next_page_token=token)


@router.get("/{range_test_id}", responses=responses(404, 422, 503))
async def get_range_test(
    state: Opened,
    job_id: JobId,
    response: Response,
    wait_s: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S, description="answer when final, or then")] = 0.0,
) -> JobView:
    """One range test; with `wait_s` the answer waits until the job is final."""
    deadline = time.monotonic() + wait_s
    while True:
        job = await run_in_threadpool(_find, state, job_id)
        left = deadline - time.monotonic()
        if job.status in FINAL or left <= 0:
            break
        await asyncio.sleep(min(LOOK_S, left))
    suggest_polling(response, job)
    return JobView.of(job)


@router.get(
    "/{range_test_id}/bounds",
    response_model=BoundsView,
    responses=responses(404, 409, 503, _202={"model": JobView, "description": "not ready yet"}),
)
def get_bounds(state: Opened, job_id: JobId) -> Any:
    """The recommended bounds; 202 until the job is final, 409 where it found none."""
    job = _find(state, job_id)
    if job.status not in FINAL:
        body = JobView.of(job).model_dump_json()
        retry = {"Retry-After": str(POLL_S)}
        return Response(body, 202, headers=retry, media_type="application/json")
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
    "/{range_test_id}/curve",
    response_model=curves.Curve,
    responses=responses(404, 422, 503, _200={"content": {"text/csv": {}}}),
)
def get_curve(
    state: Opened,
    job_id: JobId,
    request: Request,
    max_points: Annotated[
        int | None, Query(ge=4, description="rows of each series, keeping extremes")
    ] = None,
    after_step: Annotated[int, Query(ge=-1, description="only rows of later steps")] = -1,
    format: Annotated[Literal["json", "csv"] | None, Query(description="default: by Accept")] = None,
) -> Any:
    """The raw points of every seed and sweep, also while the job runs."""
    job, sweeps = _measured(state, job_id, after_step=after_step)
    wanted = format or ("csv" if "text/csv" in request.headers.get("Accept", "") else "json")
    if wanted == "csv":
        return Response(curves.as_csv(sweeps, max_points=max_points), media_type="text/csv")
    answer = curves.curve(sweeps, complete=job.status in FINAL, max_points=max_points)
    return Response(answer.model_dump_json(), media_type="application/json")


def _measured(state: State, job_id: str, *, after_step: int = -1) -> tuple[Job, list[StoredSweep]]:
    with state.database.read() as session:
        return jobs.get(session, job_id, kind=KIND), load(session, job_id, after_step=after_step)


@router.get(
    "/{range_test_id}/plot.{format}",
    response_class=Response,
    responses=responses(404, 409, 503, _200={"content": {"image/svg+xml": {}, "image/png": {}}}),
)
def get_plot(state: Opened, job_id: JobId, format: Literal["svg", "png"]) -> Response:
    """The curve with both bounds and their intervals; of a running job, what there is."""
    job, stored = _measured(state, job_id)
    sweeps = [Sweep.from_columns(sweep.plan, sweep.series) for sweep in stored]
    if not any(sweep.points for sweep in sweeps):
        raise Problem(409, "no_points", "nothing is measured yet", headers={"Retry-After": str(POLL_S)})
    picture = figure(sweeps, job.result, title=f"{job.workload}, {job.config['optimizer']['name']}")
    media_type = {"svg": "image/svg+xml", "png": "image/png"}[format]
    return Response(render(picture, format), media_type=media_type)


@router.post(
    "/{range_test_id}/cancel",
    response_model=JobView,
    responses=responses(404, 409, 503, _202={"model": JobView, "description": "cancelling"}),
)
def cancel_range_test(state: Opened, job_id: JobId, response: Response) -> JobView:
    """Stop a job: a queued one at once (200), a running one within seconds (202); its curve stays."""
    _find(state, job_id)
    with state.database.write() as session:
        job = jobs.request_cancel(session, job_id)
    response.status_code = 202 if job.status == Status.CANCELLING else 200
    suggest_polling(response, job)
    return JobView.of(job)


@router.delete("/{range_test_id}", status_code=204, responses=responses(404, 409, 503))
def delete_range_test(state: Opened, job_id: JobId) -> None:
    """Remove a finished job with everything measured."""
    _find(state, job_id)
    with state.database.write() as session:
        jobs.remove(session, job_id)
