"""Training jobs over HTTP: how one is asked for, with or without a range test, and how one goes on."""

import logging
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import Discriminator, Tag

from api.checkpoints import forget_files
from api.drawing import draw_training_job
from api.finality import tag_if_final
from api.idempotency import IdempotencyKey, accept, identify
from api.job_routes import add_job_routes
from api.jobs import JobId, JobView, find
from api.openapi import carrying, responses
from api.pictures import PICTURES, answer_picture
from api.requests.body import require_json
from api.requests.client import find_driver
from api.requests.training_job import ClientTrainingJobRequest, ResumeRequest, TrainingJobRequest
from api.resources import Resources
from api.security import ResourcesDep
from api.submissions.training_job import (
    plan_asked_training,
    plan_client_training,
    plan_resume,
    submit_client_training,
    submit_resume,
    submit_training_job,
)
from api.validation import VALIDATED, ValidateOnly, answer_validated
from clr.picture_format import PictureFormat
from clr.training_result import TrainingResult
from store.models import Job
from store.status import Driver, Kind

log = logging.getLogger(__name__)

AnyTrainingJobRequest = Annotated[
    Annotated[TrainingJobRequest, Tag("worker")] | Annotated[ClientTrainingJobRequest, Tag("client")],
    Discriminator(find_driver),
]

router = APIRouter(prefix="/training-jobs", tags=["training jobs"])


class TrainingJobView(JobView):
    """A training job with its request and, once it succeeded, its result."""

    result: TrainingResult | None
    warnings: list[str]

    @classmethod
    def of(cls, job: Job) -> Self:
        """The answer for a row."""
        view = JobView.of(job)
        config = dict(job.config)
        warnings = [*config.pop("warnings"), *(job.result or {}).get("warnings", [])]
        result = TrainingResult.from_dict(job.result) if job.result else None
        fields = view.model_dump() | {"config": config}
        return cls(**fields | {"result": result, "warnings": list(dict.fromkeys(warnings))})


@router.post(
    "",
    status_code=202,
    response_model=TrainingJobView,
    dependencies=[Depends(require_json)],
    responses=responses(400, 413, 415, 422, _200=VALIDATED, _202=carrying("Location", "Retry-After")),
)
def create_training_job(
    resources: ResourcesDep,
    body: AnyTrainingJobRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
    validate_only: ValidateOnly = False,
) -> Any:
    """Queue a training job; poll `Location` until its status is final.

    With `"driver": "client"` nobody queues: the caller's own process asks for the rates and reports what it measures.

    Where its schedule lacks rates they come from `range_test_id`, or from a range test that is queued before it.
    A replay of an Idempotency-Key is marked by the header `Idempotent-Replayed: true`.
    """
    if validate_only:
        return _validate(resources, body)
    key = identify(idempotency_key, body)
    if isinstance(body, ClientTrainingJobRequest):
        job, replayed = submit_client_training(resources, body, **key)
    else:
        job, replayed = submit_training_job(resources, body, **key)
    return _accept(resources, response, job, replayed=replayed)


def _validate(resources: Resources, body: AnyTrainingJobRequest) -> Response:
    with resources.database.read() as session:
        if isinstance(body, ClientTrainingJobRequest):
            new, test = plan_client_training(session, resources, body), None
        else:
            new, test = plan_asked_training(session, resources, body)
    return answer_validated(new.config, [new] if test is None else [test, new])


def _accept(resources: Resources, response: Response, job: Job, *, replayed: bool) -> TrainingJobView:
    if job.driver == Driver.WORKER:
        resources.ringer.ring()
    log.info("accepted a training job of %s", job.workload, extra={"job_id": job.id})
    view = TrainingJobView.of(job)
    accept(response, view.links["self"], replayed=replayed)
    return view


@router.post(
    "/{id}/resume",
    status_code=202,
    response_model=TrainingJobView,
    dependencies=[Depends(require_json)],
    responses=responses(
        400, 404, 409, 413, 415, 422, _200=VALIDATED, _202=carrying("Location", "Retry-After")
    ),
)
def resume_training_job(
    resources: ResourcesDep,
    job_id: JobId,
    body: ResumeRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
    validate_only: ValidateOnly = False,
) -> Any:
    """Queue a new job that goes on where a finished one stopped, under the same schedule.

    The budget comes on top of what was trained. 409 where the job still runs, diverged or has no checkpoint.
    """
    if validate_only:
        with resources.database.read() as session:
            new = plan_resume(session, resources, job_id, body)
        return answer_validated(new.config, [new])
    job, replayed = submit_resume(resources, job_id, body, **identify(idempotency_key, body, job_id))
    return _accept(resources, response, job, replayed=replayed)


add_job_routes(router, kind=Kind.TRAINING_JOB, view=TrainingJobView, after_delete=forget_files)


@router.get("/{id}/plot.{format}", name="get_training_job_plot", response_class=Response, responses=PICTURES)
async def get_plot(
    resources: ResourcesDep, job_id: JobId, request: Request, format: PictureFormat
) -> Response:
    """Loss, held-out accuracy and rate against the step; of a running job, what there is.

    409 `no_points` until the first point is stored.
    """
    job = await run_in_threadpool(find, resources, job_id, kind=Kind.TRAINING_JOB)
    return await answer_picture(
        request,
        resources.pool,
        resources.pictures,
        tag_if_final(request, job),
        format,
        draw_training_job,
        job_id,
    )
