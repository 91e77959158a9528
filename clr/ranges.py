"""The tested ranges of one range test: which is the best, and what say each has in max_lr.

Where the loss is flat over decades, chance decides which range falls deepest; taking that one alone made max_lr jump by
half a decade from one repetition to the next.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from clr.reading import TOLERANCE, Reading

WORTH = 0.01  # of the fall in loss: a lower range must be so much deeper to be preferred
COUNTS = math.exp(-0.5)  # weight from which on a range trains as well: half a tolerance, 1 % less deep


@dataclass(frozen=True, slots=True)
class Range:
    """One tested range: where each of its seeds' plateaus ends, and its weight in (0, 1].

    weight: 1 for the range that falls deepest with the first seed, smaller by a factor of e for each `TOLERANCE` of
    that depth which another lacks.
    """

    end_lr: float
    edges: tuple[float, ...]
    weight: float

    @property
    def trains_as_well(self) -> bool:
        """Whether it falls about as deep as the deepest."""
        return self.weight >= COUNTS


def choose_range(tests: Sequence[Reading]) -> list[Reading]:
    """The sweeps of the best range: the highest one that trains as well as any, judged by the first seed.

    tests: the sweeps of the test proper, one at least.
    """
    depths = _depths_of_first_seed(tests)
    enough = (1 - WORTH) * max(depths.values())
    best = max(end_lr for end_lr, depth in depths.items() if depth >= enough)
    return [reading for reading in tests if reading.plan.end_lr == best]


def weigh_ranges(tests: Sequence[Reading]) -> list[Range]:
    """Every range in which some seed learned, from the lowest up; compared by the first seed, which measured all."""
    depths = _depths_of_first_seed(tests)
    deepest = max(depths.values(), default=0.0)
    ranges = []
    for end_lr, depth in sorted(depths.items()):
        edges = tuple(
            reading.plateau.upper_lr
            for reading in tests
            if reading.plan.end_lr == end_lr and reading.plateau is not None and reading.learns
        )
        weight = math.exp((depth - deepest) / (TOLERANCE * deepest)) if deepest > 0 else 1.0
        if edges:
            ranges.append(Range(end_lr, edges, weight))
    return ranges


def pool_edges(ranges: Sequence[Range]) -> float:
    """The weighted geometric mean of the ranges' edges, each range's the median over its seeds."""
    return _weighted_mean(ranges, [median(map(math.log, range.edges)) for range in ranges])


def pool_ends(ranges: Sequence[Range]) -> float:
    """The weighted geometric mean of the ranges' ends."""
    return _weighted_mean(ranges, [math.log(range.end_lr) for range in ranges])


def _depths_of_first_seed(tests: Sequence[Reading]) -> dict[float, float]:
    """How deep the loss fell, by the range's end."""
    return {
        reading.plan.end_lr: reading.depth for reading in tests if reading.plan.seed == tests[0].plan.seed
    }


def _weighted_mean(ranges: Sequence[Range], logs: Sequence[float]) -> float:
    weights = [range.weight for range in ranges]
    return math.exp(sum(w * log for w, log in zip(weights, logs, strict=True)) / sum(weights))
