"""A training job: with its own rates, those of a range test that is there or is queued before it; or resumed."""

from dataclasses import replace
from typing import Any, Unpack

from pydantic import ValidationError
from sqlalchemy.orm import Session

from api.catalogue import find_workload
from api.errors import Problem, invalid, invalid_at
from api.idempotency import Key
from api.jobs import get, whose
from api.requests.training_job import (
    BUDGETS,
    ClientTrainingJobRequest,
    ResumeRequest,
    TrainingJobRequest,
    foresee_warnings,
)
from api.requests.workload import SETUP
from api.resources import Resources
from api.submissions.client_job import begin_client_job, plan_client_job
from api.submissions.range_test import plan_range_test_for, resolve
from clr import adafactor
from clr.partial_schedules import lacks_rates
from clr.policies import parse_schedule
from clr.recommended_cycle import RecommendedCycle
from clr.training_job import BudgetRefused, TrainingConfig, TrainingPlan, plan_training
from store import checkpoints, jobs, runs
from store.errors import NotFound
from store.jobs import NewJob
from store.models import Job, Workload
from store.status import FINAL, Driver, Kind, Outcome, Priority


def submit_training_job(
    resources: Resources, body: TrainingJobRequest, **key: Unpack[Key]
) -> tuple[Job, bool]:
    """Queue a training job, and a range test before it where it needs one; (the training job, replayed).

    Raises a 422 problem.
    """
    with resources.database.read() as session:
        if earlier := jobs.made_before(session, Kind.TRAINING_JOB, **key):
            return earlier, True
        new, test = plan_asked_training(session, resources, body, **key)
    with resources.database.write() as session:
        _find_source(session, body.range_test_id)  # which may have been deleted meanwhile
        return jobs.create(session, new, before=test)


def plan_asked_training(
    session: Session, resources: Resources, body: TrainingJobRequest, **about: Any
) -> tuple[NewJob, NewJob | None]:
    """The training job of a request, and the range test before it where it needs one. Raises a 422 problem."""
    source = _find_source(session, body.range_test_id)
    if source is not None and source.driver == Driver.CLIENT:
        told = 'its caller measured it, and no worker has that model: train there, with "driver": "client"'
        raise invalid("/range_test_id", told)
    if source is not None:
        body = _fill_in(body, source)
    workload = find_workload(session, str(body.workload))
    new = plan_training_job(body, workload, source, max_steps=resources.settings.max_steps, **about)
    if source is not None or not lacks_rates(body.schedule):
        return new, None
    test = plan_range_test_for(new, workload, max_steps=resources.settings.max_steps)
    return replace(new, after_job=test.id), test


def submit_client_training(
    resources: Resources, body: ClientTrainingJobRequest, **key: Unpack[Key]
) -> tuple[Job, bool]:
    """Have a training begin that its caller runs; (the job, replayed). Its config has the whole schedule.

    Raises a 422 problem.
    """
    with resources.database.read() as session:
        if earlier := jobs.made_before(session, Kind.TRAINING_JOB, **key):
            return earlier, True
        new = plan_client_training(session, resources, body, **key)
    with resources.database.write() as session:
        return begin_client_job(session, new)


def plan_client_training(
    session: Session, resources: Resources, body: ClientTrainingJobRequest, **key: Any
) -> NewJob:
    """The training of a request, with its whole schedule. Raises a 422 problem."""
    source = _find_source(session, body.range_test_id)
    plan = _plan_for_client(body, source, max_steps=resources.settings.max_steps)
    more = {
        "schedule": plan.schedule.model_dump(mode="json"),
        "num_steps": plan.num_steps,
        "num_cycles": None,
        "num_epochs": None,
        "eval_every": plan.eval_every,
        "warnings": list(plan.warnings),
    }
    return plan_client_job(Kind.TRAINING_JOB, body, more=more, **key)


def _plan_for_client(body: ClientTrainingJobRequest, source: Job | None, *, max_steps: int) -> TrainingPlan:
    if source is not None and source.result is None:
        raise invalid("/range_test_id", f"it is {source.status}: wait until it has found bounds")
    recommended = RecommendedCycle.from_dict(source.result) if source is not None and source.result else None
    epoch = body.steps_per_epoch or (recommended.steps_per_epoch if recommended else None)
    try:
        return plan_training(
            TrainingConfig.from_dict(body.model_dump()),
            steps_per_epoch=None if epoch is None else max(1, round(epoch)),
            recommended=recommended,
            max_steps=max_steps,
            to_whole_cycles=False,  # its caller knows how long it trains
        )
    except BudgetRefused as error:
        budget = next((name for name in BUDGETS if getattr(body, name) is not None), "num_cycles")
        raise invalid(f"/{budget}", str(error)) from None
    except ValidationError as error:
        raise invalid_at(error, body.schedule, "schedule") from None


def submit_resume(
    resources: Resources, job_id: str, body: ResumeRequest, **key: Unpack[Key]
) -> tuple[Job, bool]:
    """Queue a job that goes on where another stopped; (the job, replayed). Raises a 404, 409 or 422 problem."""
    with resources.database.read() as session:
        if earlier := jobs.made_before(session, Kind.TRAINING_JOB, **key):
            return earlier, True
        new = plan_resume(session, resources, job_id, body, **key)
    with resources.database.write() as session:
        get(session, job_id, kind=Kind.TRAINING_JOB)  # which may have been deleted meanwhile
        return jobs.create(session, new)


def plan_resume(
    session: Session, resources: Resources, job_id: str, body: ResumeRequest, **about: Any
) -> NewJob:
    """The job that goes on where another stopped. Raises a 404, 409 or 422 problem."""
    stopped = get(session, job_id, kind=Kind.TRAINING_JOB)
    config = _resume(session, stopped, body)
    config["warnings"] = foresee_warnings(config, max_steps=resources.settings.max_steps)
    return NewJob(
        kind=Kind.TRAINING_JOB,
        workload=stopped.workload,
        config=config,
        priority=Priority[body.priority.upper()],
        name=body.name or stopped.name,
        tags=body.tags or stopped.tags,
        timeout_s=body.timeout_s,
        resume_from=stopped.id,
        label=stopped.label,
        **about,
    )


def plan_training_job(
    body: TrainingJobRequest,
    workload: Workload,
    source: Job | None,
    *,
    max_steps: int,
    label: str | None = None,
    **about: Any,
) -> NewJob:
    """A training job with what it will warn of; label: of its entry in a comparison. Raises a 422 problem."""
    config = resolve(body, workload) | {"resume_from": None, "resume_at": 0, "label": label}
    _check_momentum(config)
    warnings = _compare_setups(config, source) + foresee_warnings(config, max_steps=max_steps)
    warnings += _warn_of_cap(config)
    return NewJob(
        kind=Kind.TRAINING_JOB,
        workload=workload.name,
        config=config | {"warnings": warnings},
        priority=Priority[body.priority.upper()],
        name=body.name,
        tags=body.tags,
        timeout_s=body.timeout_s,
        label=label,
        after_job=source.id if source is not None and lacks_rates(body.schedule) else None,
        **about,
    )


def _find_source(session: Session, job_id: str | None) -> Job | None:
    """The range test that a request names. Raises a 422 problem where it can give no bounds."""
    if job_id is None:
        return None
    try:
        source = jobs.get(session, job_id, kind=Kind.RANGE_TEST)
    except NotFound:
        place = f"there is no such range test: {whose(session, job_id[:100])}"
        raise invalid("/range_test_id", place) from None
    if source.status in FINAL and source.outcome != Outcome.BOUNDS_FOUND:
        raise invalid("/range_test_id", f"it found no bounds: it is {source.outcome or source.status}")
    return source


def _fill_in(body: TrainingJobRequest, source: Job) -> TrainingJobRequest:
    """The request with what it leaves out of the workload as it was in the range test."""
    if body.workload not in (None, source.workload):
        raise invalid("/workload", f"the range test is of {source.workload}; leave the workload out")
    left_out = {name: source.config[name] for name in SETUP if name not in body.model_fields_set}
    return TrainingJobRequest(
        **body.model_dump(exclude_unset=True) | left_out | {"workload": source.workload}
    )


def _compare_setups(config: dict[str, Any], source: Job | None) -> list[str]:
    """How training differs from the range test that its bounds are from, a warning each."""
    if not lacks_rates(config["schedule"]):
        return ["the bounds of range_test_id are not used: the schedule has its own rates"] if source else []
    tested = source.config if source else config
    warnings = [
        f"the bounds were found with another {name}: {tested[name]}"
        for name in SETUP
        if config[name] != tested[name]
    ]
    for name, plain in (("accumulation_steps", 1), ("clip_grad_norm", None), ("precision", "float32")):
        if config[name] != plain:
            warnings.append(f"a range test has no {name}: the bounds are those without it")
    return warnings


def _warn_of_cap(config: dict[str, Any]) -> list[str]:
    """Where the schedule's own rates are more than Adafactor uses, of as many steps as are known."""
    max_lr = config["schedule"].get("max_lr") or config["schedule"].get("lr")
    if config["optimizer"]["name"] != adafactor.NAME or not max_lr:
        return []
    is_reached = config["num_steps"] is None or config["num_steps"] > adafactor.count_steps(max_lr)
    return [adafactor.warn_of_cap(max_lr)] if is_reached else []


def _check_momentum(config: dict[str, Any]) -> None:
    optimizer = config["optimizer"]
    if config["cycle_momentum"] and not (optimizer.get("momentum") or "betas" in optimizer):
        raise invalid("/cycle_momentum", f"{optimizer['name']} has no momentum to cycle; give it one > 0")


def _resume(session: Session, stopped: Job, body: ResumeRequest) -> dict[str, Any]:
    """The config that goes on from the newest checkpoint. Raises a 409 problem where nothing is left to go on with."""
    if stopped.status not in FINAL:
        raise Problem(409, "job_not_final", f"the job is {stopped.status}: wait until it is final")
    if stopped.outcome == Outcome.DIVERGED:
        raise Problem(409, "job_diverged", "the job diverged: there is nothing sound to go on from")
    newest_first = checkpoints.of_job(session, stopped.id)
    if not newest_first:
        raise Problem(409, "no_checkpoint", "the job left no checkpoint to go on from")
    [run] = runs.load(session, stopped.id, series=())
    schedule = run.plan["schedule"]
    ends_at = parse_schedule(schedule).length(1) if schedule["policy"] in ("one_cycle", "staged") else None
    if ends_at is not None and newest_first[0].step + 1 >= ends_at:
        raise Problem(409, "schedule_ended", f"{schedule['policy']} has ended: nothing is left to go on with")
    return stopped.config | {
        "schedule": schedule,
        "resume_from": stopped.id,
        "resume_at": newest_first[0].step + 1,
        "range_test_id": None,
        "timeout_s": body.timeout_s,
        "priority": body.priority,
        **{name: getattr(body, name) for name in BUDGETS},
    }
