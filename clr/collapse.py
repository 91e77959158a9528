"""The rates that training does not bear for long, as clr/endurance.py reads them off the probe."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from clr.records import pick_fields


@dataclass(frozen=True, slots=True)
class Collapse:
    """What training had learned was lost beyond the rate lr (> 0), in a sweep of num_steps."""

    lr: float
    num_steps: int

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what `dataclasses.asdict` answers."""
        return cls(**pick_fields(cls, data))
