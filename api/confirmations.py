"""Recommended bounds put to the test: short trainings around them, and what those say."""

from typing import Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field, StrictInt

from api.comparison_views import ComparisonStatus, ComparisonView, runs_of, standing_of, view_of
from api.comparisons import ComparisonRequest, Entry, queue_comparison
from api.errors import Problem, carrying, responses
from api.jobs import JobId, find
from api.range_tests import KIND
from api.requests.body import require_json
from api.requests.training_job import BUDGETS, Budget
from api.requests.workload import LAST_SEED
from api.resources import Opened
from api.submissions import IdempotencyKey, accept, request_hash
from clr.confirmation import NUM_CYCLES, Verdict, entries, verdict
from clr.halving import NUM_SEEDS
from clr.range_test import MOST_SEEDS
from store import comparisons

SHARED = ("params", "optimizer", "batch_size")

router = APIRouter(prefix="/range-tests/{id}/confirmations", tags=["range tests"])


class ConfirmationRequest(Budget):
    """How long and how often to train; default: two cycles, three seeds that the range test did not use."""

    num_seeds: StrictInt = Field(default=3, ge=2, le=MOST_SEEDS)


class Confirmation(BaseModel):
    """A comparison around the bounds; `verdict` is null until it can be given, and may change until it is final."""

    comparison: ComparisonStatus
    verdict: Verdict | None


class Confirmations(BaseModel):
    """Every confirmation of a range test, newest first."""

    items: list[Confirmation]


@router.post(
    "",
    status_code=202,
    dependencies=[Depends(require_json)],
    responses=responses(400, 404, 409, 413, 415, 422, _202=carrying("Location", "Retry-After")),
)
def confirm(
    state: Opened,
    job_id: JobId,
    body: ConfirmationRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> ComparisonView:
    """Queue a comparison of cycles within half, the whole and double the bounds, constant_lr and one cycle."""
    job = find(state, job_id, kind=KIND)
    if job.outcome != "bounds_found" or job.result is None:
        raise Problem(409, "no_bounds", f"there are no bounds to confirm: it is {job.outcome or job.status}")
    given = body.model_dump(exclude_unset=True)
    asked = ComparisonRequest(
        workload=job.workload,
        entries=[Entry(**entry) for entry in entries(job.result)],
        seed=_unused_seed(job.config, body.num_seeds),
        name=job.name,
        tags=job.tags,
        **{name: job.config[name] for name in SHARED},
        **(given if any(name in given for name in BUDGETS) else {"num_cycles": NUM_CYCLES} | given),
    )
    about = {"idempotency_key": idempotency_key, "request_hash": request_hash(body, job_id)}
    with state.database.write() as session:
        comparison, replayed = queue_comparison(session, state, asked, range_test_id=job_id, **about)
        view = view_of(session, comparison)
    state.ringer.ring()
    accept(response, view.links["self"], replayed=replayed)
    return view


def _unused_seed(config: dict[str, Any], num_seeds: int) -> int:
    """The first of so many that the range test did not use: above its own, or from 0 where no seed is left there."""
    trained = NUM_SEEDS if config["effort"] == "thorough" else 0
    first = int(config["seed"] + config["num_seeds"] + trained)
    return first if first + num_seeds - 1 <= LAST_SEED else 0


@router.get("", responses=responses(404))
def list_confirmations(state: Opened, job_id: JobId) -> Confirmations:
    """What the trainings around the bounds say of them."""
    job = find(state, job_id, kind=KIND)
    items = []
    with state.database.read() as session:
        for comparison in comparisons.of_range_test(session, job_id):
            of_it = comparisons.jobs_of(session, comparison.id)
            runs, metric = runs_of(session, comparison, of_it)
            judged = verdict(job.result or {}, runs, metric=metric) if metric else None
            status = ComparisonStatus(**standing_of(comparison, of_it))
            items.append(Confirmation(comparison=status, verdict=judged))
    return Confirmations(items=items)
