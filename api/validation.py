"""`?validate_only=true` on every create: what the request would make, and what that may cost; nothing is stored."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from api.requests.training_job import find_num_steps
from api.submissions.range_test import count_most_steps
from store.jobs import NewJob
from store.status import Kind

ValidateOnly = Annotated[
    bool, Query(description="only say what it would make (200); an Idempotency-Key is not looked at")
]


class Validated(BaseModel):
    """A request that would be accepted."""

    config: dict[str, Any] = Field(description="every default resolved")
    num_jobs: int = Field(description="that it would queue, range tests that are needed first included")
    most_steps: int | None = Field(
        description="of all these jobs together; null where the data's size decides: a budget in epochs, or in cycles "
        "without a step_size"
    )
    warnings: list[str]


VALIDATED: dict[str, Any] = {"model": Validated, "description": "what it would make, with `validate_only`"}


def answer_validated(config: dict[str, Any], news: Sequence[NewJob]) -> JSONResponse:
    """The answer for a request of this config, which would queue these jobs."""
    steps = [_count_most_steps(new) for new in news]
    known = [count for count in steps if count is not None]
    about_jobs = [warning for new in news for warning in new.config.get("warnings", ())]
    validated = Validated(
        config={name: value for name, value in config.items() if name != "warnings"},
        num_jobs=len(news),
        most_steps=sum(known) if len(known) == len(steps) else None,
        warnings=list(dict.fromkeys(about_jobs)),
    )
    return JSONResponse(validated.model_dump(mode="json"))


def _count_most_steps(new: NewJob) -> int | None:
    if new.kind == Kind.TRAINING_JOB:
        return find_num_steps(new.config)
    return count_most_steps(new.config)
