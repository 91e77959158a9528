"""A comparison with all its jobs, and the one that confirms the bounds of a range test."""

import logging
from dataclasses import asdict, replace
from typing import Any, Unpack
from uuid import uuid4

from api.catalogue import find_workload, resolve_optimizer
from api.errors import Problem
from api.idempotency import Key
from api.requests.comparison import ComparisonRequest, ConfirmationRequest, Entry
from api.requests.training_job import BUDGETS, TrainingJobRequest, TrainingOptions
from api.requests.workload import LAST_SEED, SETUP, WorkloadRequest
from api.resources import Resources
from api.submissions.range_test import plan_range_test_for
from api.submissions.training_job import plan_training_job
from clr.bounds import Bounds
from clr.confirmation_budget import NUM_CYCLES
from clr.contender import list_contenders
from clr.partial_schedules import lacks_rates
from store import chores, comparisons
from store.comparisons import NewComparison
from store.jobs import NewJob
from store.models import Comparison, Job, Workload
from store.status import Driver, Kind, Outcome

log = logging.getLogger(__name__)


def submit_comparison(
    resources: Resources, body: ComparisonRequest, *, range_test_id: str | None = None, **key: Unpack[Key]
) -> tuple[Comparison, bool]:
    """Queue a training job for each entry and seed, and a range test for each optimizer that needs rates.

    (The comparison, replayed). range_test_id: whose bounds are put to the test. It is planned and kept first, and its
    jobs, which may be hundreds, are queued in batches. Raises a 422 problem.
    """
    with resources.database.read() as session:
        earlier = comparisons.made_before(session, **key)
    if earlier is not None:
        chores.finish(resources.database, earlier.id)  # who began it may be dead
        return earlier, True
    new = plan_comparison(resources, body, range_test_id=range_test_id, **key)
    with resources.database.write() as session:
        comparison, replayed = comparisons.create(session, new)
    chores.finish(resources.database, comparison.id)
    if not replayed:
        log.info("queued a comparison on %s", new.workload, extra={"comparison_id": comparison.id})
    return comparison, replayed


def plan_comparison(resources: Resources, body: ComparisonRequest, **about: Any) -> NewComparison:
    """The comparison of a request; `about`: more fields of it. Raises a 422 problem."""
    with resources.database.read() as session:
        workload = find_workload(session, body.workload)
    comparison_id = str(uuid4())
    return NewComparison(
        id=comparison_id,
        workload=workload.name,
        config=_describe(body),
        name=body.name,
        tags=body.tags,
        jobs=_plan_jobs(body, workload, comparison_id, max_steps=resources.settings.max_steps),
        seeds=range(body.seed + 1, body.seed + body.num_seeds),
        **about,
    )


def list_members(new: NewComparison) -> list[NewJob]:
    """A job for each that it will queue: those of later seeds equal the first seed's but for the seed."""
    trainings = [job for job in new.jobs if job.kind == Kind.TRAINING_JOB]
    return [*new.jobs, *(training for _ in new.seeds for training in trainings)]


def submit_confirmation(
    resources: Resources, range_test: Job, body: ConfirmationRequest, **key: Unpack[Key]
) -> tuple[Comparison, bool]:
    """Queue the comparison that puts the bounds of a range test to the test; (the comparison, replayed).

    Raises a 409 or 422 problem.
    """
    request = ask_for_confirmation(range_test, body)
    return submit_comparison(resources, request, range_test_id=range_test.id, **key)


def ask_for_confirmation(range_test: Job, body: ConfirmationRequest) -> ComparisonRequest:
    """The comparison that puts the bounds of a range test to the test. Raises a 409 or 422 problem."""
    if range_test.driver == Driver.CLIENT:
        told = "its caller measured it, and no worker has that model: train around the bounds there"
        raise Problem(409, "measured_by_client", told)
    if range_test.outcome != Outcome.BOUNDS_FOUND or range_test.result is None:
        stands = range_test.outcome or range_test.status
        raise Problem(409, "no_bounds", f"there are no bounds to confirm: it is {stands}")
    contenders = list_contenders(Bounds.from_dict(range_test.result))
    fields = body.model_dump(exclude_unset=True)
    budget = {} if any(name in fields for name in BUDGETS) else {"num_cycles": NUM_CYCLES}
    return ComparisonRequest(
        workload=range_test.workload,
        entries=[Entry(**asdict(contender)) for contender in contenders],
        seed=_find_unused_seed(range_test.config, body.num_seeds),
        name=range_test.name,
        tags=range_test.tags,
        **{name: range_test.config[name] for name in SETUP},
        **budget | fields,
    )


def _plan_jobs(
    body: ComparisonRequest, workload: Workload, comparison_id: str, *, max_steps: int
) -> list[NewJob]:
    """The jobs of the first seed, entry by entry; those of the others differ by their seed alone."""
    shared = body.model_dump(
        include={*TrainingOptions.model_fields, *WorkloadRequest.model_fields, "seed"} - {"optimizer"}
    )
    tests: list[NewJob] = []
    first_round: list[NewJob] = []
    for pointer, entry in body.labelled():
        if entry.optimizer is not None:
            resolve_optimizer(workload, entry.optimizer, *pointer.split("/")[1:-1])
        request = TrainingJobRequest(
            **shared | {"optimizer": entry.optimizer or body.optimizer, "schedule": entry.schedule}
        )
        training = plan_training_job(
            request, workload, None, max_steps=max_steps, label=entry.label, comparison_id=comparison_id
        )
        if lacks_rates(entry.schedule):
            test = plan_range_test_for(training, workload, max_steps=max_steps, pointer=pointer)
            twin = next((other for other in tests if _are_alike(other, test)), None)
            if twin is None:
                tests.append(test)
                first_round.append(test)
            training = replace(training, after_job=(twin or test).id)
        first_round.append(training)
    return first_round


def _are_alike(one: NewJob, other: NewJob) -> bool:
    """Whether two range tests measure the same; the first entry that shares one says what training it is for."""
    return one.config | {"for": None} == other.config | {"for": None}


def _describe(body: ComparisonRequest) -> dict[str, Any]:
    """The request as its comparison keeps it, every entry with its label."""
    entries = [
        {"label": entry.label, **entry.model_dump(mode="json", include={"schedule", "optimizer"})}
        for _, entry in body.labelled()
    ]
    fields = body.model_dump(mode="json", exclude={"workload", "name", "tags", "entries"})
    return fields | {"entries": entries}


def _find_unused_seed(config: dict[str, Any], num_seeds: int) -> int:
    """The first of so many that the range test did not use: above its own, or from 0 where no seed is left there."""
    confirming = config["effort"] == "thorough"  # trains with the next one
    first_seed = int(config["seed"] + config["num_seeds"] + confirming)
    return first_seed if first_seed + num_seeds - 1 <= LAST_SEED else 0
