"""How far a training may go until it overfits, as clr/overfitting.py reads it off the sweeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from clr.records import pick_fields


@dataclass(frozen=True, slots=True)
class Turn:
    """How far trainings may go, as sums of rates (>= 0).

    rate_sum: where the held-out loss turned, or accuracy; None where neither did. seen: the largest sum that was
    reached without; 0 in a quick test.
    """

    rate_sum: float | None
    seen: float

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `dataclasses.asdict` answers."""
        return cls(**pick_fields(cls, data))
