"""Other packages' rules for reading a learning rate off a training-loss curve: labelled candidates, never our answer.

Each rule smooths, trims and chooses as its package does, flaws included, and is a pure function of (lrs, losses):
the raw values of a sweep, (n,), in step order. It gives None where its package gives nothing or raises. What a
package does *during* a sweep, such as its stop at 4 or 5 times the best loss, is no part of a rule.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from clr.candidate import Candidate
from clr.reading import Reading
from clr.sweep import Point, Sweep, SweepPlan

Floats = npt.NDArray[np.float64]
Rule = Callable[[Sequence[float], Sequence[float]], float | None]

VERSION = 1  # rises with every change of what a rule says of the same curve
BETA = 0.98  # of fastai's, Lightning's and ktrain's mean
MEMORY = 0.95  # of torch-lr-finder's and ignite's mean


def valley(lrs: Sequence[float], losses: Sequence[float]) -> float | None:
    """The middle of the longest valley (fastai 2.8.12, its default).

    Where nothing falls it answers with the first rate of its window.
    """
    rates, smoothed = _fastai_window(lrs, losses)
    return float(rates[longest_valley(smoothed)]) if len(rates) else None


def slide(lrs: Sequence[float], losses: Sequence[float]) -> float | None:
    """Where, from the end, the slopes 15 steps apart first agree within 0.005 (fastai 2.8.12).

    The slope is per step and the threshold absolute, so that the answer changes with the loss's scale.
    """
    rates, smoothed = _fastai_window(lrs, losses)
    if len(rates) < 16:
        return None
    slopes = _slopes(smoothed)
    left = len(rates) - 16
    agreed = left
    while left >= 0 and abs(slopes[left + 15] - slopes[left]) > 0.005:
        agreed = left
        left -= 1
    return float(rates[agreed])


def minimum(lrs: Sequence[float], losses: Sequence[float]) -> float | None:
    """A tenth of the rate of the lowest loss (fastai 2.8.12).

    The lowest may be the last point before a NaN, or the first of a loss that only rises.
    """
    rates, smoothed = _fastai_window(lrs, losses)
    return float(rates[smoothed.argmin()]) / 10 if len(rates) else None


def steep(lrs: Sequence[float], losses: Sequence[float]) -> float | None:
    """Where the loss falls fastest to its neighbour, per unit of ln(lr) (fastai 2.8.12).

    The heavy mean lags, so that the answer moves with the length of the sweep.
    """
    rates, smoothed = _fastai_window(lrs, losses)
    if len(rates) < 2:
        return None
    with np.errstate(all="ignore"):
        return float(rates[(np.diff(smoothed) / np.diff(np.log(rates))).argmin()])


def torch_lr_finder(lrs: Sequence[float], losses: Sequence[float]) -> float | None:
    """The steepest slope per step between the first ten and the last five steps (torch-lr-finder 0.2.2).

    A NaN tail makes it answer with the last point before the NaN; the first raw loss weighs on some 40 steps.
    """
    if len(lrs) < 17:
        return None
    return float(lrs[10 + int(_slopes(anchored_mean(losses)[10:-5]).argmin())])


def lightning_before_2_5_3(lrs: Sequence[float], losses: Sequence[float]) -> float | None:
    """The steepest slope per step between the first ten and the last step (Lightning 2.5.2).

    Its mean is debiased as if one more loss had been seen: it rises from half the first loss on.
    """
    rates, smoothed = _lightning_window(lrs, losses)
    return float(rates[_slopes(smoothed).argmin()]) if len(rates) >= 2 else None


def lightning(lrs: Sequence[float], losses: Sequence[float]) -> float | None:
    """The steepest slope per unit of lr between the first ten and the last step (Lightning 2.6.6, since 2.5.3).

    On an exponential sweep it divides by ever larger steps, so that the low end wins. Mean: as before 2.5.3.
    """
    rates, smoothed = _lightning_window(lrs, losses)
    return float(rates[_slopes(smoothed, rates).argmin()]) if len(rates) >= 2 else None


def ignite(lrs: Sequence[float], losses: Sequence[float]) -> float | None:
    """The steepest slope per step before the lowest loss (pytorch-ignite 0.5.5).

    A NaN counts as the lowest loss. No loss lower than the second: no answer.
    """
    falling = _until_lowest(anchored_mean(losses))
    return float(lrs[1 + int(_slopes(falling)[1:-1].argmin())]) if len(falling) >= 3 else None


def ktrain(lrs: Sequence[float], losses: Sequence[float]) -> float | None:
    """The steepest slope per step between step 32 and the lowest loss, "min-grad" (ktrain 0.41.4).

    Its index counts from step 32 and is used as if from 0: the answer is 32 steps too low.
    """
    falling = _until_lowest(debiased_mean(losses))[32:-1]
    return float(lrs[int(_slopes(falling).argmin())]) if len(falling) >= 2 else None


def paper(lrs: Sequence[float], losses: Sequence[float]) -> float | None:
    """The upper end of the plateau around the lowest loss (Smith 2017, section 3.3, as `clr.reading` reads it).

    The paper reads held-out accuracy; this has the training loss alone. No answer where the loss never falls
    clear of its noise, or had not risen again when the sweep ended.
    """
    if not lrs:
        return None
    points = [Point(step, lr, loss) for step, (lr, loss) in enumerate(zip(lrs, losses, strict=True))]
    plateau = Reading(Sweep(SweepPlan(start_lr=lrs[0], end_lr=lrs[-1], num_steps=len(lrs)), points)).plateau
    return plateau.upper_lr if plateau is not None and plateau.learns and not plateau.reaches_end else None


RULES: dict[str, tuple[Rule, str]] = {
    "valley": (
        valley,
        "fastai's default: the middle of the longest fall of the smoothed training loss",
    ),
    "slide": (slide, "fastai: where the slope stops changing; moves with the loss's scale"),
    "minimum": (minimum, "fastai: a tenth of the rate of the lowest training loss"),
    "steep": (steep, "fastai: the steepest fall per ln(lr); moves with the length of the sweep"),
    "torch_lr_finder": (
        torch_lr_finder,
        "torch-lr-finder: the steepest fall per step of a lightly smoothed training loss",
    ),
    "lightning_before_2_5_3": (
        lightning_before_2_5_3,
        "Lightning before 2.5.3: the steepest fall per step of a heavily smoothed training loss",
    ),
    "lightning": (
        lightning,
        "Lightning since 2.5.3: the steepest fall per unit of lr; drawn to the low end",
    ),
    "ignite": (
        ignite,
        "ignite: the steepest fall per step before the lowest loss; the last rate where a NaN follows",
    ),
    "ktrain": (
        ktrain,
        "ktrain's min-grad: the steepest fall, shifted down by 32 steps as ktrain does",
    ),
    "paper": (
        paper,
        "the paper's largest rate that still trains well, read off this training loss alone",
    ),
}


def list_candidates(sweeps: Sequence[Sweep]) -> tuple[Candidate, ...]:
    """What every rule says of the first exponential sweep; nothing without one."""
    scout = next((sweep for sweep in sweeps if sweep.plan.shape == "exponential"), None)
    if scout is None:
        return ()
    lrs, losses = [point.lr for point in scout.points], [point.loss for point in scout.points]
    return tuple(Candidate(name, rule(lrs, losses), note) for name, (rule, note) in RULES.items())


def debiased_mean(losses: Sequence[float], *, ahead: int = 0) -> Floats:
    """The exponential mean of weight 0.02, freed of its zero start; `ahead`: losses counted that were not seen."""
    mean, means = 0.0, []
    for count, loss in enumerate(losses, start=1 + ahead):
        mean = BETA * mean + (1 - BETA) * loss
        means.append(mean / (1 - BETA**count))
    return np.array(means)


def anchored_mean(losses: Sequence[float]) -> Floats:
    """The exponential mean of weight 0.05 that starts at the first loss."""
    means: list[float] = []
    for loss in losses:
        means.append(MEMORY * means[-1] + (1 - MEMORY) * loss if means else loss)
    return np.array(means)


def longest_valley(losses: Sequence[float] | Floats) -> int:
    """The index in the middle of the longest strictly falling subsequence; losses: not empty, no NaN.

    fastai's window starts at its end less its *length*, so that the index may be -1: the last.
    """
    lengths: list[int] = []  # of the longest that ends here
    lowest: list[float] = []  # at k: minus the highest loss that ends one of k + 1
    for loss in losses:
        length = bisect_left(lowest, -loss)
        lowest[length : length + 1] = [-loss]
        lengths.append(length + 1)
    longest = max(lengths)
    if longest == 1:
        return 0
    return lengths.index(longest) - longest + longest // 3 + longest // 6


def _slopes(values: Floats, at: Floats | None = None) -> Floats:
    """Central differences, one-sided at the ends; (n,) -> (n,), n >= 2."""
    with np.errstate(all="ignore"):
        return np.asarray(np.gradient(values) if at is None else np.gradient(values, at))


def _until_lowest(values: Floats) -> Floats:
    """Up to the lowest, or the first NaN, and with it."""
    return values[: int(values.argmin()) + 1] if len(values) else values


def _fastai_window(lrs: Sequence[float], losses: Sequence[float]) -> tuple[Floats, Floats]:
    """Rates and smoothed losses without the first tenth and the last five, cut before the first NaN."""
    rates, smoothed = np.array(lrs)[len(lrs) // 10 : -5], debiased_mean(losses)[len(lrs) // 10 : -5]
    broken = np.flatnonzero(np.isnan(smoothed))
    end = int(broken[0]) if broken.size else len(smoothed)
    return rates[:end], smoothed[:end]


def _lightning_window(lrs: Sequence[float], losses: Sequence[float]) -> tuple[Floats, Floats]:
    """Rates and smoothed losses without the first ten, the last, and those that are not finite."""
    rates, smoothed = np.array(lrs)[10:-1], debiased_mean(losses, ahead=1)[10:-1]
    finite = np.isfinite(smoothed)
    return rates[finite], smoothed[finite]
