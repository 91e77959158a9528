"""Bounds put to the test by training around them, as their caller sees it."""

from dataclasses import dataclass
from typing import Any, Self

from clr.confirmation import Verdict
from clr.records import pick_fields
from clr_tuner.comparison import Comparison
from clr_tuner.connection import Connection


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A comparison around the bounds; verdict: None before it can be given. data: what the service said."""

    comparison: Comparison
    verdict: Verdict | None
    data: dict[str, Any]

    @classmethod
    def from_dict(cls, connection: Connection, data: dict[str, Any]) -> Self:
        """Read an item of `GET /range-tests/{id}/confirmations`."""
        verdict = data["verdict"] and Verdict(**pick_fields(Verdict, data["verdict"]))
        return cls(Comparison(connection, data["comparison"]), verdict, data)
