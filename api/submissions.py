"""From what was asked to a queued job: its defaults filled in, known again by its Idempotency-Key."""

import hashlib
import json
from typing import Annotated, Any

from fastapi import Header, Response
from pydantic import BaseModel

from api.jobs import POLL_S
from api.requests.workload import WorkloadRequest
from api.workloads import resolve_params
from clr.optimizers import parse_optimizer
from store.models import Workload

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x20-\x7e]+$",
        description="any text of yours: a POST repeated with it answers what the first one made",
    ),
]


def resolve(body: WorkloadRequest, workload: Workload) -> dict[str, Any]:
    """The request as its job keeps it, every default of the workload filled in."""
    optimizer = body.optimizer or parse_optimizer(workload.default_optimizer)
    given = body.model_dump(mode="json", exclude={"workload", "name", "tags"})
    return given | {
        "params": resolve_params(workload, body.params),
        "optimizer": optimizer.model_dump(mode="json"),
        "batch_size": body.batch_size or workload.default_batch_size,
    }


def request_hash(body: BaseModel, *more: str) -> str:
    """What tells two bodies apart that came with one Idempotency-Key; `more`: what the path said."""
    asked = json.dumps([body.model_dump(mode="json", exclude_unset=True), *more], sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()


def accept(response: Response, location: str, *, replayed: bool) -> None:
    """Put the headers of a 202 on the response."""
    response.headers["Location"] = location
    response.headers["Retry-After"] = str(POLL_S)
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
