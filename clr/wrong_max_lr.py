"""What a wrong max_lr would cost, as far as the sweeps of a range test tell.

Too low: how much less a sweep of the same length reaches when its range ends lower. Too high: how far the score has
fallen at that rate from its best below it; a training whose rate comes down again may recover from it, or be gone.
"""

import math
from collections.abc import Sequence
from statistics import median

import numpy as np

from clr.metric import SweepMetric
from clr.ranges import Range, pool_ends
from clr.reading import Reading
from clr.sensitivity import Lost, Sensitivity

FACTORS = (0.25, 0.5, 2.0, 4.0)
SAME = 1e-9  # two logarithms of one rate may differ by rounding


def measure_sensitivity(
    tests: Sequence[Reading], ranges: Sequence[Range], *, max_lr: float, metric: SweepMetric
) -> Sensitivity:
    """What bounds lose that were read off these sweeps, in their metric; sweeps measured in another are left out."""
    alike = [reading for reading in tests if reading.score is not None and reading.score.metric == metric]
    lost = {
        factor: _lose_below(alike, ranges, factor) if factor < 1 else _lose_above(alike, factor * max_lr)
        for factor in FACTORS
    }
    return Sensitivity(
        metric=metric,
        off_by_2=_most(lost[0.5], lost[2.0]),
        off_by_4=_most(*lost.values()),
        by_factor=tuple(Lost(factor=factor, lost=_rounded(value)) for factor, value in lost.items()),
    )


def _lose_below(tests: Sequence[Reading], ranges: Sequence[Range], factor: float) -> float | None:
    """What is lost between tested ranges on a line over log(lr), by the first seed, which measured all of them."""
    first_seed = min((reading.plan.seed for reading in tests), default=0)
    peaks = {
        math.log(reading.plan.end_lr): reading.plateau.peak
        for reading in tests
        if reading.plan.seed == first_seed and reading.plateau is not None
    }
    ends = sorted(peaks)
    here = math.log(pool_ends(ranges))
    there = here + math.log(factor)
    if not ends or there < ends[0] - SAME:
        return None
    here_peak, there_peak = (
        float(np.interp(log_lr, ends, [peaks[end] for end in ends])) for log_lr in (here, there)
    )
    return max(0.0, here_peak - there_peak)


def _lose_above(tests: Sequence[Reading], lr: float) -> float | None:
    """The median over the sweeps that were to reach this rate; one that broke off has what it had last."""
    falls = []
    for reading in tests:
        if reading.plan.end_lr >= lr and (score := reading.score) is not None:
            value = float(np.interp(lr, score.lr, score.smooth))
            falls.append(float(score.smooth[score.lr <= lr].max(initial=value) - value))
    return median(falls) if falls else None


def _most(*lost: float | None) -> float | None:
    known = [value for value in lost if value is not None]
    return _rounded(max(known)) if known else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")
