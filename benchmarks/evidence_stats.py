"""Whether two schedules score alike: paired differences over seeds, in the mean over tasks, tested for equivalence."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import chi2, norm, t

Verdict = Literal["equivalent", "different", "undecided"]

MARGIN = 0.5  # points of held-out accuracy
LEVEL = 0.05
DRAWS = 1000  # quantiles of the spread that might have been observed


@dataclass(frozen=True, slots=True)
class Contrast:
    """One schedule less another, in points: the mean over tasks of each task's mean over seeds.

    Tasks count alike and are fixed: error, the standard error, holds the spread over seeds within each and nothing of
    how tasks differ; freedom is Welch and Satterthwaite's, as the spreads differ. by_task: the means.
    """

    by_task: Mapping[str, float]
    error: float
    freedom: float

    @classmethod
    def of(cls, paired: Mapping[str, Sequence[float]]) -> "Contrast":
        """Of the paired differences of each task, two seeds or more."""
        parts = [
            (statistics.variance(sample) / len(sample) / len(paired) ** 2, len(sample) - 1)
            for sample in paired.values()
        ]
        squared = sum(part for part, _ in parts)
        freedom = squared**2 / sum(part**2 / n for part, n in parts) if squared else math.inf
        means = {task: statistics.fmean(sample) for task, sample in paired.items()}
        return cls(means, math.sqrt(squared), freedom)

    @property
    def difference(self) -> float:
        """The mean over tasks."""
        return statistics.fmean(self.by_task.values())

    @property
    def half_width(self) -> float:
        """Of the difference's 95 % interval."""
        return self.error * float(t.ppf(1 - LEVEL / 2, self.freedom))

    @property
    def lowest(self) -> float:
        """What it is not below, one-sided."""
        return self.difference - self._reach

    @property
    def not_inferior(self) -> bool:
        """Not worse by the margin."""
        return self.lowest > -MARGIN

    @property
    def verdict(self) -> Verdict:
        """`equivalent`: within the margin by two one-sided tests (also where it is not 0); else `different`: not 0."""
        if abs(self.difference) + self._reach < MARGIN:
            return "equivalent"
        return "different" if abs(self.difference) > self.half_width else "undecided"

    @property
    def power(self) -> float:
        """How often two schedules that are the same, with a true spread as observed, would be found equivalent."""
        if not self.error:
            return 1.0
        if math.isinf(self.freedom):
            spreads = np.ones(1)
        else:
            quantiles = (np.arange(DRAWS) + 0.5) / DRAWS
            spreads = np.sqrt(chi2.ppf(quantiles, self.freedom) / self.freedom)
        room = np.maximum(0.0, MARGIN / self.error - float(t.ppf(1 - LEVEL, self.freedom)) * spreads)
        return float(np.mean(2 * norm.cdf(room) - 1))

    @property
    def over_tasks(self) -> float:
        """Half the 95 % interval if the tasks were drawn from all there are; inf for one."""
        means = list(self.by_task.values())
        if len(means) < 2:
            return math.inf
        error = statistics.stdev(means) / math.sqrt(len(means))
        return error * float(t.ppf(1 - LEVEL / 2, len(means) - 1))

    @property
    def _reach(self) -> float:
        return self.error * float(t.ppf(1 - LEVEL, self.freedom))

    def __str__(self) -> str:
        """The difference with its interval."""
        return f"{self.difference:+.2f} ± {self.half_width:.2f}"


def paired(first: Sequence[float], second: Sequence[float]) -> list[float]:
    """Seed by seed, as far as both go."""
    return [one - other for one, other in zip(first, second, strict=False)]


def spread(sample: Sequence[float]) -> str:
    """Mean ± standard deviation."""
    return f"{statistics.fmean(sample):.2f} ± {statistics.stdev(sample):.2f}"
