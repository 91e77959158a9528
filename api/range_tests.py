"""Range tests over HTTP: queue one, list them, follow one, cancel or delete it. For what they find: results.py."""

import asyncio
import hashlib
import json
import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import ConfigDict, Field, FiniteFloat, StrictInt, field_validator, model_validator

from api.errors import carrying, invalid, responses
from api.examples import RANGE_TEST_REQUESTS
from api.jobs import POLL_S, Filtered, JobId, JobView, Page, find, list_jobs, suggest_polling
from api.plain import Body, Text, refuse_unknown, require_json
from api.state import Opened
from api.workloads import find_workload, resolve_params
from clr import optimizers
from clr.optimizers import OptimizerSpec, parse_optimizer
from clr.planning import (
    FEWEST_STEPS,
    HIGHEST_LR,
    LOWEST_LR,
    MOST_SEEDS,
    SCOUT_END,
    SCOUT_START,
    RangeTestConfig,
    most_steps,
)
from clr.range_test import Effort
from store import jobs
from store.jobs import NewJob
from store.models import Workload
from store.status import FINAL, Status

KIND = "range_test"
LONGEST_WAIT_S = 60.0
LOOK_S = 0.2  # between two looks while a request waits

router = APIRouter(prefix="/range-tests", tags=["range tests"])

LearningRate = Annotated[FiniteFloat, Field(ge=LOWEST_LR, le=HIGHEST_LR, strict=True)]


class RangeTestRequest(Body):
    """A range test; everything but `workload` has a default."""

    model_config = ConfigDict(json_schema_extra={"examples": RANGE_TEST_REQUESTS})

    workload: Text = Field(max_length=200, description="a name of GET /workloads")
    params: dict[str, Any] = Field(default={}, description="the workload's own, by its params_schema")
    optimizer: OptimizerSpec | None = Field(default=None, description="default: the workload's")
    batch_size: StrictInt | None = Field(default=None, ge=1, le=65_536, description="default: the workload's")
    seed: StrictInt = Field(default=0, ge=0, le=2_000_000_000)
    num_seeds: StrictInt = Field(
        default=3, ge=1, le=MOST_SEEDS, description="seeds seed .. seed + num_seeds - 1"
    )
    start_lr: LearningRate | None = Field(default=None, description="of the test sweeps; default: chosen")
    end_lr: LearningRate | None = Field(default=None, description="of the test sweeps; default: chosen")
    num_steps: StrictInt | None = Field(
        default=None, ge=FEWEST_STEPS, description="of each test sweep; default: chosen"
    )
    effort: Effort = Field(default="standard", description="quick: one exponential sweep of one seed")
    timeout_s: Annotated[FiniteFloat, Field(gt=0, le=604_800, strict=True)] = 3600.0
    name: Text | None = Field(default=None, max_length=200)
    tags: list[Annotated[Text, Field(min_length=1, max_length=64)]] = Field(default=[], max_length=20)

    @field_validator("optimizer", mode="before")
    @classmethod
    def _known_parameters(cls, given: Any) -> Any:
        if isinstance(given, dict):
            named = str(given.get("name")).lower()
            models = {name.lower(): getattr(optimizers, name) for name in optimizers.NAMES}
            if named not in models:
                raise invalid("/optimizer/name", f"must be one of {', '.join(optimizers.NAMES)}")
            refuse_unknown(given, models[named].model_fields, "optimizer")
        return given

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


IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x20-\x7e]+$",
        description="any text of yours: a POST repeated with it answers the job that the first one made",
    ),
]


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
    asked = json.dumps(body.model_dump(mode="json", exclude_unset=True), sort_keys=True)
    with state.database.write() as session:
        workload = find_workload(session, body.workload)
        new = NewJob(
            kind=KIND,
            workload=workload.name,
            config=_resolve(body, workload),
            name=body.name,
            tags=body.tags,
            idempotency_key=idempotency_key,
            request_hash=hashlib.sha256(asked.encode()).hexdigest(),
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


@router.get("", responses=responses(400, 422))
def list_range_tests(state: Opened, filters: Filtered) -> Page[JobView]:
    """Range tests, newest first."""
    page, token = list_jobs(state, filters, kind=KIND)
    return Page(items=[JobView.of(job) for job in page], next_page_token=token)


@router.get("/{id}", responses=responses(404, 422))
async def get_range_test(
    state: Opened,
    job_id: JobId,
    request: Request,
    response: Response,
    wait_s: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S, description="answer when final, or then")] = 0.0,
) -> JobView:
    """One range test; `Retry-After` until it is final. With `wait_s` the answer waits for that."""
    deadline = time.monotonic() + wait_s
    while True:
        job = await run_in_threadpool(find, state, job_id, kind=KIND)
        left = deadline - time.monotonic()
        if job.status in FINAL or left <= 0 or await request.is_disconnected():
            break
        await asyncio.sleep(min(LOOK_S, left))
    suggest_polling(response, job)
    return JobView.of(job)


@router.post(
    "/{id}/cancel",
    responses=responses(
        404,
        409,
        _202=carrying("Retry-After") | {"model": JobView, "description": "cancelling"},
    ),
)
def cancel_range_test(state: Opened, job_id: JobId, response: Response) -> JobView:
    """Stop a job: a queued one at once (200), a running one within seconds (202); its curve stays."""
    find(state, job_id, kind=KIND)
    with state.database.write() as session:
        job = jobs.request_cancel(session, job_id)
    response.status_code = 202 if job.status == Status.CANCELLING else 200
    suggest_polling(response, job)
    return JobView.of(job)


@router.delete("/{id}", status_code=204, responses=responses(404, 409))
def delete_range_test(state: Opened, job_id: JobId) -> None:
    """Remove a finished job with everything measured."""
    find(state, job_id, kind=KIND)
    with state.database.write() as session:
        jobs.remove(session, job_id)
