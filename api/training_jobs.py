"""Training jobs over HTTP: how one is asked for, with or without a range test, and how one goes on."""

import logging
import shutil
from typing import Any, Self

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api.errors import Problem, carrying, invalid, responses
from api.job_routes import add_job_routes, measured
from api.jobs import JobId, JobView, get, whose
from api.pictures import PICTURES, Format, picture, thinned
from api.range_tests import KIND as RANGE_TEST
from api.range_tests import RangeTestRequest
from api.requests.body import require_json
from api.requests.training_job import BUDGETS, DAY_S, Budget, TrainingJobRequest, foreseen
from api.requests.workload import Name, Tags, Timeout
from api.resources import Opened, State
from api.submissions import IdempotencyKey, accept, request_hash, resolve
from api.workloads import find_workload
from clr.partial_schedules import lacks_rates
from clr.plots.training_job import training_figure
from clr.policies import parse_schedule
from store import checkpoints, jobs, runs
from store.errors import NotFound
from store.jobs import NewJob
from store.models import Job, Workload
from store.status import FINAL

log = logging.getLogger(__name__)

KIND = "training_job"
FROM_RANGE_TEST = ("params", "optimizer", "batch_size")

router = APIRouter(prefix="/training-jobs", tags=["training jobs"])


class CycleEndView(BaseModel):
    """The end of a cycle: a look at the held-out set after `step`."""

    cycle: int
    step: int
    loss: float | None
    accuracy: float | None


class TrainingResult(BaseModel):
    """What came of a training job; `best` is the cycle end with the highest accuracy, or lowest loss."""

    schedule: dict[str, Any] = Field(description="every parameter as trained")
    num_steps: int
    steps_per_epoch: int | None
    stopped_early: bool
    final: CycleEndView | None
    best: CycleEndView | None


class TrainingJobView(JobView):
    """A training job with its request and, once it succeeded, its result."""

    result: TrainingResult | None
    warnings: list[str]

    @classmethod
    def of(cls, job: Job) -> Self:
        """The answer for a row."""
        view = JobView.of(job)
        config, result = dict(job.config), dict(job.result or {})
        warnings = [*config.pop("warnings"), *result.pop("warnings", [])]
        fields = view.model_dump() | {"config": config}
        return cls(**fields | {"result": result or None, "warnings": list(dict.fromkeys(warnings))})


@router.post(
    "",
    status_code=202,
    dependencies=[Depends(require_json)],
    responses=responses(400, 413, 415, 422, _202=carrying("Location", "Retry-After")),
)
def create_training_job(
    state: Opened, body: TrainingJobRequest, response: Response, idempotency_key: IdempotencyKey = None
) -> TrainingJobView:
    """Queue a training job; poll `Location` until its status is final.

    Where its schedule lacks rates they come from `range_test_id`, or from a range test that is queued before it.
    A replay of an Idempotency-Key is marked by the header `Idempotent-Replayed: true`.
    """
    with state.database.write() as session:
        job, replayed = queue_training(
            session, state, body, idempotency_key=idempotency_key, request_hash=request_hash(body)
        )
    return _accepted(state, response, job, replayed=replayed)


def _accepted(state: State, response: Response, job: Job, *, replayed: bool) -> TrainingJobView:
    state.ringer.ring()
    log.info("queued a training job of %s", job.workload, extra={"job_id": job.id})
    view = TrainingJobView.of(job)
    accept(response, view.links["self"], replayed=replayed)
    return view


def queue_training(
    session: Session, state: State, body: TrainingJobRequest, *, label: str | None = None, **about: Any
) -> tuple[Job, bool]:
    """Queue what is asked for, its range test first where one is needed; (the training job, replayed).

    label: in its comparison. about: more fields of `NewJob`. Raises a 422 problem.
    """
    made = jobs.made_before(session, KIND, about.get("idempotency_key"), about.get("request_hash"))
    if made is not None:
        return made, True
    source = _range_test(session, body.range_test_id)
    if source is not None:
        body = _as_in(body, source)
    workload = find_workload(session, str(body.workload))
    config = resolve(body, workload) | {"resume_from": None, "resume_at": 0, "label": label}
    _check_momentum(config)
    config["warnings"] = _unlike_the_range_test(config, source) + foreseen(
        config, max_steps=state.settings.max_steps
    )
    new = NewJob(
        kind=KIND, workload=workload.name, config=config, name=body.name, tags=body.tags,
        **{"after_job": body.range_test_id if lacks_rates(body.schedule) else None} | about,
    )  # fmt: skip
    job, replayed = jobs.create(session, new)
    if not replayed and new.after_job is None and lacks_rates(body.schedule):
        jobs.wait_for(session, job, queue_range_test(session, workload, job))
    return job, replayed


def queue_range_test(session: Session, workload: Workload, training: Job) -> Job:
    """Queue the range test that tells a training job its rates, part of the same comparison."""
    config = training.config
    asked = RangeTestRequest(
        workload=workload.name, **{name: config[name] for name in (*FROM_RANGE_TEST, "seed")}
    )
    new = NewJob(
        kind=RANGE_TEST,
        workload=workload.name,
        config=resolve(asked, workload),
        name=training.name,
        tags=training.tags,
        comparison_id=training.comparison_id,
    )
    job, _ = jobs.create(session, new)
    return job


def _range_test(session: Session, job_id: str | None) -> Job | None:
    """The range test that a request names. Raises a 422 problem where it can give no bounds."""
    if job_id is None:
        return None
    try:
        found = jobs.get(session, job_id, kind=RANGE_TEST)
    except NotFound:
        told = f"there is no such range test: {whose(session, job_id[:100])}"
        raise invalid("/range_test_id", told) from None
    if found.status in FINAL and found.outcome != "bounds_found":
        raise invalid("/range_test_id", f"it found no bounds: it is {found.outcome or found.status}")
    return found


def _as_in(body: TrainingJobRequest, source: Job) -> TrainingJobRequest:
    if body.workload not in (None, source.workload):
        raise invalid("/workload", f"the range test is of {source.workload}; leave the workload out")
    left_out = {name: source.config[name] for name in FROM_RANGE_TEST if name not in body.model_fields_set}
    return TrainingJobRequest(
        **body.model_dump(exclude_unset=True) | left_out | {"workload": source.workload}
    )


def _unlike_the_range_test(config: dict[str, Any], source: Job | None) -> list[str]:
    if not lacks_rates(config["schedule"]):
        return ["the bounds of range_test_id are not used: the schedule has its own rates"] if source else []
    there = source.config if source else config
    others = [name for name in FROM_RANGE_TEST if config[name] != there[name]]
    told = [f"the bounds were found with another {name}: {there[name]}" for name in others]
    for name, plain in (("accumulation_steps", 1), ("clip_grad_norm", None), ("precision", "float32")):
        if config[name] != plain:
            told.append(f"a range test has no {name}: the bounds are those without it")
    return told


def _check_momentum(config: dict[str, Any]) -> None:
    optimizer = config["optimizer"]
    if config["cycle_momentum"] and not (optimizer.get("momentum") or "betas" in optimizer):
        raise invalid("/cycle_momentum", f"{optimizer['name']} has no momentum to cycle; give it one > 0")


class ResumeRequest(Budget):
    """How much longer to train."""

    timeout_s: Timeout = DAY_S
    name: Name = None
    tags: Tags = Field(default=[])


@router.post(
    "/{id}/resume",
    status_code=202,
    dependencies=[Depends(require_json)],
    responses=responses(400, 404, 409, 413, 415, 422, _202=carrying("Location", "Retry-After")),
)
def resume_training_job(
    state: Opened,
    job_id: JobId,
    body: ResumeRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> TrainingJobView:
    """Queue a new job that goes on where a finished one stopped, under the same schedule.

    The budget comes on top of what was trained. 409 where the job still runs, diverged or has no checkpoint.
    """
    about = {"idempotency_key": idempotency_key, "request_hash": request_hash(body, job_id)}
    with state.database.write() as session:
        made = jobs.made_before(session, KIND, **about)
        job, replayed = (made, True) if made else _queue_resume(session, state, job_id, body, **about)
    return _accepted(state, response, job, replayed=replayed)


def _queue_resume(
    session: Session, state: State, job_id: str, body: ResumeRequest, **about: Any
) -> tuple[Job, bool]:
    before = get(session, job_id, kind=KIND)
    config = _resumed(session, before, body)
    config["warnings"] = foreseen(config, max_steps=state.settings.max_steps)
    new = NewJob(
        kind=KIND,
        workload=before.workload,
        config=config,
        name=body.name or before.name,
        tags=body.tags or before.tags,
        **about,
    )
    return jobs.create(session, new)


def _resumed(session: Session, before: Job, body: ResumeRequest) -> dict[str, Any]:
    if before.status not in FINAL:
        raise Problem(409, "job_not_final", f"the job is {before.status}: wait until it is final")
    if before.outcome == "diverged":
        raise Problem(409, "job_diverged", "the job diverged: there is nothing sound to go on from")
    kept = checkpoints.of_job(session, before.id)
    if not kept:
        raise Problem(409, "no_checkpoint", "the job left no checkpoint to go on from")
    [trained] = runs.load(session, before.id, series=())
    schedule = trained.plan["schedule"]
    ends_at = parse_schedule(schedule).length(1) if schedule["policy"] in ("one_cycle", "staged") else None
    if ends_at is not None and kept[0].step + 1 >= ends_at:
        raise Problem(409, "schedule_ended", f"{schedule['policy']} has ended: nothing is left to go on with")
    return before.config | {
        "schedule": schedule,
        "resume_from": before.id,
        "resume_at": kept[0].step + 1,
        "range_test_id": None,
        "timeout_s": body.timeout_s,
        **{name: getattr(body, name) for name in BUDGETS},
    }


def forget_files(state: State, job_id: str) -> None:
    """Of checkpoints that lie here; a worker elsewhere tidies up before its next training job."""
    shutil.rmtree(state.settings.data_dir / checkpoints.FOLDER / job_id, ignore_errors=True)


add_job_routes(router, kind=KIND, view=TrainingJobView, after_delete=forget_files)


@router.get("/{id}/plot.{format}", name="get_training_job_plot", response_class=Response, responses=PICTURES)
def get_plot(state: Opened, job_id: JobId, format: Format) -> Response:
    """Loss, held-out accuracy and rate against the step; of a running job, what there is.

    409 `no_points` until the first point is stored.
    """
    job, stored = measured(state, job_id, kind=KIND)
    series = thinned(stored)[0].series
    title = f"{job.workload}, {job.config['schedule']['policy']}"
    return picture(lambda: training_figure(series, job.result, title=title, otherwise=job.status), format)
