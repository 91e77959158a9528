"""How values lie over seeds."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Self


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and sample standard deviation over seeds; std is None of one seed."""

    mean: float
    std: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Self | None:
        """The spread of the values; None where there are none."""
        if not values:
            return None
        return cls(mean(values), stdev(values) if len(values) > 1 else None)
