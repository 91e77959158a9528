"""What a wrong max_lr costs, as bounds hold it; clr/wrong_max_lr.py measures it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from clr.metric import SweepMetric
from clr.records import pick_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What a max_lr off by `factor` loses, >= 0 in the metric; None where no range was tested there."""

    factor: float
    lost: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """off_by_2, off_by_4: the most that is lost up to so far in either direction; None where neither is known."""

    metric: SweepMetric
    off_by_2: float | None
    off_by_4: float | None
    by_factor: tuple[Lost, ...]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what JSON holds of one."""
        by_factor = tuple(Lost(**pick_fields(Lost, lost)) for lost in data["by_factor"])
        return cls(**{**pick_fields(cls, data), "by_factor": by_factor})
