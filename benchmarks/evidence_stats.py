"""Welch's t-test over seeds, and how a result is written down."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import t

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Welch:
    """Two samples compared. difference: mean of the first less that of the second; error: its standard error."""

    difference: float
    error: float
    freedom: float

    @classmethod
    def of(cls, first: Sequence[float], second: Sequence[float]) -> "Welch":
        """Of two samples of two or more."""
        parts = [(statistics.variance(sample) / len(sample), len(sample) - 1) for sample in (first, second)]
        squared = sum(part for part, _ in parts)
        freedom = squared**2 / sum(part**2 / n for part, n in parts) if squared else math.inf
        return cls(statistics.fmean(first) - statistics.fmean(second), math.sqrt(squared), freedom)

    @property
    def p(self) -> float:
        """Two-sided; samples without any spread differ for certain or not at all."""
        if not self.error:
            return float(self.difference == 0)
        return float(2 * t.sf(abs(self.difference) / self.error, self.freedom))

    @property
    def p_below(self) -> float:
        """One-sided: how likely so low a first sample is if its mean is not below the second's."""
        if not self.error:
            return float(self.difference >= 0)
        return float(t.cdf(self.difference / self.error, self.freedom))

    @property
    def margin(self) -> float:
        """Half the width of the difference's 95 % interval."""
        return float(t.ppf(1 - LEVEL / 2, self.freedom) * self.error) if self.error else 0.0

    def __str__(self) -> str:
        """The difference with its interval."""
        return f"{self.difference:+.2f} ± {self.margin:.2f}"


def spread(sample: Sequence[float]) -> str:
    """Mean ± standard deviation."""
    return f"{statistics.fmean(sample):.2f} ± {statistics.stdev(sample):.2f}"
