"""Bounds put to the test by training around them, as their caller sees it."""

from dataclasses import dataclass
from typing import Any, Self

from clr_tuner.comparison import Comparison
from clr_tuner.connection import Connection


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the trainings say: `confirmed`, `undecided`, or `adjusted` to these bounds.

    margin: by how much the best cycle was better than ours, in the metric; 0 when ours was the best, None when it
    diverged.
    """

    outcome: str
    base_lr: float
    max_lr: float
    margin: float | None
    message: str


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A comparison around the bounds; verdict: None before it can be given. data: what the service said."""

    comparison: Comparison
    verdict: Verdict | None
    data: dict[str, Any]

    @classmethod
    def from_dict(cls, connection: Connection, data: dict[str, Any]) -> Self:
        """Read an item of `GET /range-tests/{id}/confirmations`."""
        verdict = data["verdict"] and Verdict(**data["verdict"])
        return cls(Comparison(connection, data["comparison"]), verdict, data)
