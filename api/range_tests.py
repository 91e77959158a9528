"""Range tests over HTTP: how one is asked for. For what they find: bounds.py; for the rest: job_routes.py."""

import logging
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import ConfigDict, Field, FiniteFloat, StrictInt, model_validator

from api.errors import carrying, invalid, responses
from api.examples import RANGE_TEST_REQUESTS
from api.job_routes import add_job_routes
from api.jobs import JobView
from api.requests.body import require_json
from api.requests.workload import Seed, Timeout, WorkloadRequest
from api.resources import Opened
from api.submissions import IdempotencyKey, accept, request_hash, resolve
from api.workloads import find_workload
from clr.range_test import (
    FEWEST_STEPS,
    HIGHEST_LR,
    LOWEST_LR,
    MOST_SEEDS,
    SCOUT_END,
    SCOUT_START,
    RangeTestConfig,
    most_steps,
)
from clr.sweep import Effort
from store import jobs
from store.jobs import NewJob

log = logging.getLogger(__name__)

KIND = "range_test"

router = APIRouter(prefix="/range-tests", tags=["range tests"])

LearningRate = Annotated[FiniteFloat, Field(ge=LOWEST_LR, le=HIGHEST_LR, strict=True)]


class RangeTestRequest(WorkloadRequest):
    """A range test; everything but `workload` has a default."""

    model_config = ConfigDict(json_schema_extra={"examples": RANGE_TEST_REQUESTS})

    seed: Seed = 0
    num_seeds: StrictInt = Field(
        default=3, ge=1, le=MOST_SEEDS, description="seeds seed .. seed + num_seeds - 1"
    )
    start_lr: LearningRate | None = Field(default=None, description="of the test sweeps; default: chosen")
    end_lr: LearningRate | None = Field(default=None, description="of the test sweeps; default: chosen")
    num_steps: StrictInt | None = Field(
        default=None, ge=FEWEST_STEPS, description="of each test sweep; default: chosen"
    )
    effort: Effort = Field(
        default="standard",
        description="quick: one exponential sweep of one seed; thorough: then also short trainings around the bounds, "
        "which confirm or move them",
    )
    timeout_s: Timeout = 3600.0

    @model_validator(mode="after")
    def _upward(self) -> "RangeTestRequest":
        start_lr, end_lr = self.start_lr or SCOUT_START, self.end_lr or SCOUT_END
        if start_lr < end_lr:
            return self
        if self.end_lr is None:
            raise invalid("/start_lr", f"must be less than {SCOUT_END:g} where no end_lr is given")
        if self.start_lr is None:
            raise invalid("/end_lr", f"must be greater than {SCOUT_START:g} where no start_lr is given")
        raise invalid("/end_lr", f"must be greater than start_lr ({start_lr:g})")

    @model_validator(mode="after")
    def _quick_takes_one_seed(self) -> "RangeTestRequest":
        if self.effort == "quick":
            if "num_seeds" in self.model_fields_set and self.num_seeds != 1:
                raise invalid("/num_seeds", "must be 1, or left out, with effort quick")
            self.num_seeds = 1
        return self


@router.post(
    "",
    status_code=202,
    dependencies=[Depends(require_json)],
    responses=responses(400, 413, 415, 422, _202=carrying("Location", "Retry-After")),
)
def create_range_test(
    state: Opened, body: RangeTestRequest, response: Response, idempotency_key: IdempotencyKey = None
) -> JobView:
    """Queue a range test; poll `Location` until its status is final.

    A replay of an Idempotency-Key is marked by the header `Idempotent-Replayed: true`.
    """
    asks_for = most_steps(
        RangeTestConfig(**{name: getattr(body, name) for name in RangeTestConfig.__slots__})
    )
    if asks_for > state.settings.max_steps:
        limit = f"the service allows {state.settings.max_steps} steps a job, this may take {asks_for}"
        raise invalid("/num_steps", f"{limit}: ask for fewer steps or seeds")
    with state.database.write() as session:
        workload = find_workload(session, body.workload)
        new = NewJob(
            kind=KIND,
            workload=workload.name,
            config=resolve(body, workload),
            name=body.name,
            tags=body.tags,
            idempotency_key=idempotency_key,
            request_hash=request_hash(body),
        )
        job, replayed = jobs.create(session, new)
    state.ringer.ring()
    log.info("queued a range test of %s", job.workload, extra={"job_id": job.id})
    view = JobView.of(job)
    accept(response, view.links["self"], replayed=replayed)
    return view


add_job_routes(router, kind=KIND, view=JobView)
