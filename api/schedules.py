"""Schedules over HTTP: what a policy would do, without training."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field, StrictInt, ValidationError, field_validator

from api.errors import invalid, invalid_at
from api.examples.workloads import PREVIEW_REQUESTS
from api.openapi import BUSY, responses
from api.pool import unless_gone
from api.requests.body import Body, require_json
from api.security import ResourcesDep
from clr.policies import Schedule, parse_schedule
from clr.preview import Preview
from clr.snippets import write_snippet
from store.database import Database

MOST_ROWS = 100_000
FEW_ROWS = 1_000  # are written at once; more by the pool

router = APIRouter(prefix="/schedules", tags=["schedules"])


class PreviewRequest(Body):
    """A schedule, and for how many steps to see it."""

    model_config = ConfigDict(json_schema_extra={"examples": PREVIEW_REQUESTS})

    schedule: Schedule
    num_steps: Annotated[StrictInt, Field(ge=1, le=10**12, description="steps 0 .. num_steps - 1")]
    every: Annotated[StrictInt, Field(ge=1, le=10**12, description="answer each so many steps")] = 1

    @field_validator("schedule", mode="before")
    @classmethod
    def _parse(cls, schedule: Any) -> Any:
        if not isinstance(schedule, dict):
            return schedule
        try:
            return parse_schedule(schedule)
        except ValidationError as error:
            raise invalid_at(error, schedule, "schedule") from None


class PreviewView(Preview):
    """A schedule at some steps, and how a loop of one's own applies it."""

    snippet: str = Field(description="torch code to paste that trains num_steps steps under it")


@router.post(
    "/preview",
    dependencies=[Depends(require_json)],
    response_model=PreviewView,
    responses=responses(400, 413, 415, 422) | BUSY,
)
async def preview_schedule(resources: ResourcesDep, request: Request, body: PreviewRequest) -> Response:
    """The rate that each update would use, with its cycle (from 1) and x: 1 at a cycle's ends, 0 at its peak.

    `cycle` and `x` are null where a policy has no cycles.
    """
    steps = range(0, body.num_steps, body.every)
    if len(steps) > MOST_ROWS:
        enough = -(-body.num_steps // MOST_ROWS)
        raise invalid(
            "/every", f"must be at least {enough} for {body.num_steps} steps: {MOST_ROWS} rows at most"
        )
    asked = (body.schedule, steps, body.num_steps)
    if len(steps) <= FEW_ROWS:
        text = _write(*asked)
    else:
        text = await unless_gone(request, resources.pool.run(write_preview, *asked))
    return Response(text, media_type="application/json")


def write_preview(_: Database, schedule: Schedule, steps: range, num_steps: int) -> str:
    """A preview as JSON."""
    return _write(schedule, steps, num_steps)


def _write(schedule: Schedule, steps: range, num_steps: int) -> str:
    preview = dict(Preview.of(schedule, steps))
    return PreviewView(**preview, snippet=write_snippet(schedule, num_steps)).model_dump_json()
