"""What other finders would say of the same sweep: labelled extras, never our answer.

Rules as their packages define them; each is a pure function of (lrs, losses), both (n,) in step order, losses
as that package would have smoothed them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from clr.range_test import Sweep

FASTAI_BETA = 0.98


@dataclass(frozen=True, slots=True)
class Candidate:
    """Another finder's single learning rate; `lr` is None where its rule gives nothing."""

    name: str
    lr: float | None
    note: str


def fastai_smooth(losses: Sequence[float], *, beta: float = FASTAI_BETA) -> list[float]:
    """fastai's debiased exponential mean."""
    mean, smoothed = 0.0, []
    for count, loss in enumerate(losses, start=1):
        mean = beta * mean + (1 - beta) * loss
        smoothed.append(mean / (1 - beta**count))
    return smoothed


def valley(lrs: Sequence[float], losses: Sequence[float]) -> float:
    """fastai's default: the middle of the window that its longest valley spans.

    The valley is the longest strictly falling subsequence; its start is taken as end minus its length.
    """
    lengths = [1] * len(losses)
    for end in range(1, len(losses)):
        for start in range(end):
            if losses[end] < losses[start]:
                lengths[end] = max(lengths[end], lengths[start] + 1)
    longest = max(lengths)
    end = lengths.index(longest)
    third = longest / 3
    return lrs[end - longest + int(third) + int(third / 2)]


def steep(lrs: Sequence[float], losses: Sequence[float]) -> float:
    """fastai's `steep`: where the loss falls fastest per unit of ln(lr), between neighbours."""
    slopes = [
        (losses[i + 1] - losses[i]) / (math.log(lrs[i + 1]) - math.log(lrs[i]))
        for i in range(len(losses) - 1)
    ]
    return lrs[slopes.index(min(slopes))]


RULES = {
    "valley": (
        valley,
        "fastai's default rule: a single rate for one-cycle training, on the scout's training loss",
    ),
    "steep": (steep, "fastai's steepest slope of the training loss; moves with the length of the sweep"),
}


def candidates(sweeps: Sequence[Sweep]) -> list[Candidate]:
    """Both rules on the first exponential sweep, trimmed as fastai does: first tenth, last five, first NaN."""
    scout = next((sweep for sweep in sweeps if sweep.plan.shape == "exponential"), None)
    if scout is None:
        return []
    finite = []
    for point in scout.points:
        if not math.isfinite(point.loss):
            break
        finite.append(point)
    smoothed = fastai_smooth([point.loss for point in finite])
    kept = slice(len(finite) // 10, -5)
    lrs, losses = [point.lr for point in finite][kept], smoothed[kept]
    enough = len(losses) >= 2
    return [
        Candidate(name, rule(lrs, losses) if enough else None, note) for name, (rule, note) in RULES.items()
    ]
