"""Looks at the held-out set, and losses, as whoever measured them sends them."""

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt

MOST_POINTS = 10_000  # of a curve; it is read within the request

Number = Annotated[float, Field(strict=True)]


class Looks(BaseModel):
    """Looks at the held-out set, each after the update of its step."""

    model_config = ConfigDict(extra="forbid")

    step: list[StrictInt] = Field(max_length=MOST_POINTS, description="rising, from 0")
    loss: list[Number | None] = Field(max_length=MOST_POINTS, description="null where it is not finite")
    accuracy: list[Number | None] | None = Field(
        default=None, max_length=MOST_POINTS, description="in [0, 1]; all null where there are no classes"
    )


def nan_for_null(value: float | None) -> float:
    """A number that JSON cannot hold comes as null."""
    return math.nan if value is None else value
