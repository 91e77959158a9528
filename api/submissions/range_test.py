"""A range test, asked for itself or for a training job: whoever needs it, one check holds it to the limit on steps."""

from collections.abc import Mapping
from typing import Any, Unpack

from sqlalchemy.orm import Session

from api.catalogue import find_workload, only_scales, resolve_optimizer, resolve_params
from api.errors import invalid
from api.idempotency import Key
from api.requests.range_test import ClientRangeTestRequest, RangeTestOptions, RangeTestRequest
from api.requests.training_job import describe_length
from api.requests.workload import SETUP, WorkloadRequest
from api.resources import Resources
from api.submissions.client_job import begin_client_job, plan_client_job
from clr import adafactor
from clr.confirmation_budget import run_steps
from clr.optimizers import parse_optimizer
from clr.probe import MOST_STEPS as PROBE_STEPS
from clr.range_test import RangeTestConfig, most_steps
from clr.rates import explain_multiplier, is_multiplied
from store import jobs
from store.jobs import NewJob
from store.models import Job, Workload
from store.status import Driver, Kind, Priority

TOO_LONG = """the service allows {allowed} steps a job, this may take {most}: ask for fewer steps or seeds, or less \
effort"""
NO_RATES = """the range test that would find its rates may take {most} steps, and the service allows {allowed} a job: \
give schedules with rates of their own"""


def submit_range_test(
    resources: Resources, body: RangeTestRequest | ClientRangeTestRequest, **key: Unpack[Key]
) -> tuple[Job, bool]:
    """Queue a range test, or have its caller's begin; (the job, replayed). Raises a 422 problem."""
    with resources.database.read() as session:
        if earlier := jobs.made_before(session, Kind.RANGE_TEST, **key):
            return earlier, True
        new = plan_asked_test(session, resources, body, **key)
    with resources.database.write() as session:
        if new.driver == Driver.CLIENT:
            return begin_client_job(session, new)
        return jobs.create(session, new)


def plan_asked_test(
    session: Session, resources: Resources, body: RangeTestRequest | ClientRangeTestRequest, **about: Any
) -> NewJob:
    """The range test of a request; `about`: more fields of `NewJob`. Raises a 422 problem."""
    max_steps = resources.settings.max_steps
    if isinstance(body, ClientRangeTestRequest):
        _check_steps(body, max_steps=max_steps)
        end_lr = _check_optimizer(body.model_dump(), multiplies=is_multiplied(body.optimizer["name"]))
        return plan_client_job(Kind.RANGE_TEST, body, more={"end_lr": end_lr}, **about)
    workload = find_workload(session, body.workload)
    return plan_range_test(body, workload, max_steps=max_steps, name=body.name, tags=body.tags, **about)


def plan_range_test(
    body: RangeTestRequest,
    workload: Workload,
    *,
    max_steps: int,
    pointer: str = "/num_steps",
    refusal: str = TOO_LONG,
    **about: Any,
) -> NewJob:
    """A range test; `about`: more fields of `NewJob`. Raises a 422 problem, at `pointer` for too many steps."""
    _check_steps(body, max_steps=max_steps, pointer=pointer, refusal=refusal)
    config = resolve(body, workload)
    config["end_lr"] = _check_optimizer(config, multiplies=only_scales(workload, config["optimizer"]))
    return NewJob(
        kind=Kind.RANGE_TEST,
        workload=workload.name,
        config=config,
        priority=Priority[body.priority.upper()],
        timeout_s=body.timeout_s,
        **about,
    )


def _check_steps(
    body: RangeTestOptions, *, max_steps: int, pointer: str = "/num_steps", refusal: str = TOO_LONG
) -> None:
    most = count_most_steps(body.model_dump(by_alias=True))
    if most > max_steps:
        raise invalid(pointer, refusal.format(allowed=max_steps, most=most))


def count_most_steps(config: Mapping[str, Any]) -> int:
    """That a range test of this config may take, probes and trainings included."""
    training = config["for"]
    test = RangeTestConfig.from_dict(config)
    return most_steps(test, run_steps=run_steps(training)) + (PROBE_STEPS if training else 0)


def _check_optimizer(config: dict[str, Any], *, multiplies: bool) -> float | None:
    """Refuse an optimizer whose lr is no rate; where sweeps end that it follows to their end."""
    name, end_lr = config["optimizer"]["name"], config["end_lr"]
    if multiplies:
        raise invalid("/optimizer/name", explain_multiplier(name))
    if name != adafactor.NAME:
        return end_lr  # type: ignore[no-any-return]
    try:
        return adafactor.stay_below_cap(RangeTestConfig.from_dict(config)).end_lr
    except ValueError as error:
        raise invalid("/start_lr" if config["end_lr"] is None else "/end_lr", str(error)) from None


def plan_range_test_for(
    training: NewJob, workload: Workload, *, max_steps: int, pointer: str = "/schedule"
) -> NewJob:
    """The range test that tells a training job its rates, part of the same comparison; it is told of the training."""
    fields = {name: training.config[name] for name in (*SETUP, "seed", "priority")}
    fields["for"] = describe_length(training.config)
    body = RangeTestRequest(workload=workload.name, **fields)
    about = {name: getattr(training, name) for name in ("name", "tags", "comparison_id")}
    about["made_for"] = training.id
    return plan_range_test(body, workload, max_steps=max_steps, pointer=pointer, refusal=NO_RATES, **about)


def resolve(body: WorkloadRequest, workload: Workload) -> dict[str, Any]:
    """The request as its job keeps it, every default of the workload filled in."""
    optimizer = body.optimizer or parse_optimizer(workload.default_optimizer)
    fields = body.model_dump(mode="json", by_alias=True, exclude={"workload", "driver", "name", "tags"})
    return fields | {
        "params": resolve_params(workload, body.params),
        "optimizer": resolve_optimizer(workload, optimizer),
        "batch_size": body.batch_size or workload.default_batch_size,
    }
