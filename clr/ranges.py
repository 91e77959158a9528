"""The ranges of one range test that train about as well as the best, each with its say in max_lr.

Where the loss is flat over decades, chance decides which range falls deepest; taking that one alone made max_lr jump by
half a decade from one repetition to the next.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from clr.plateau import TOLERANCE, depth, plateau
from clr.sweep import Sweep

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


def train_as_well(tests: Sequence[Sweep]) -> list[Range]:
    """Every range, from the lowest up; they are compared by the first seed, which measured all of them."""
    by_end: dict[float, list[Sweep]] = {}
    for sweep in tests:
        by_end.setdefault(sweep.plan.end_lr, []).append(sweep)
    first = tests[0].plan.seed
    depths = {
        end_lr: depth(sweep)
        for end_lr, sweeps in by_end.items()
        for sweep in sweeps
        if sweep.plan.seed == first
    }
    deepest = max(depths.values())
    found = []
    for end_lr, fallen in sorted(depths.items()):
        plateaus = [at for sweep in by_end[end_lr] if (at := plateau(sweep)) is not None and at.learns]
        weight = math.exp((fallen - deepest) / (TOLERANCE * deepest)) if deepest > 0 else 1.0
        if plateaus:
            found.append(Range(end_lr, tuple(at.upper_lr for at in plateaus), weight))
    return found


def pooled(ranges: Sequence[Range]) -> float:
    """The weighted geometric mean of the ranges' edges, each range's the median over its seeds."""
    return _weighted(ranges, [median(map(math.log, one.edges)) for one in ranges])


def centre(ranges: Sequence[Range]) -> float:
    """The weighted geometric mean of the ranges' ends."""
    return _weighted(ranges, [math.log(one.end_lr) for one in ranges])


def _weighted(ranges: Sequence[Range], logs: Sequence[float]) -> float:
    weights = [one.weight for one in ranges]
    return math.exp(sum(w * log for w, log in zip(weights, logs, strict=True)) / sum(weights))
