"""Where a sweep trains well: the stretch of lr on which its held-out score stays close to the best it reached.

The score is held-out accuracy, else minus the held-out loss, else minus the training loss; raw values are
smoothed here and kept as they are everywhere else.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from clr.sweep import Sweep

Metric = Literal["accuracy", "held_out_loss", "loss"]
Floats = npt.NDArray[np.float64]

MIN_VALUES = 12  # fewer measurements of a sweep say nothing
WINDOW = 0.05  # of the sweep, over which the score is averaged
TOLERANCE = 0.02  # of the whole rise, by which the plateau may lie below the peak
NOISE_FACTOR = 6.0  # a rise counts as learning when it is so many times the jitter between neighbours
MIN_ACCURACY_RISE = 0.03
SAMPLING_ERRORS = 5.0  # a rise of less may be luck: on random labels the accuracy wanders by up to 4


@dataclass(frozen=True, slots=True)
class Score:
    """A score along a sweep; higher is better. Arrays: (n,). `broken`: cut where it stopped being finite."""

    metric: Metric
    lr: Floats
    raw: Floats
    smooth: Floats
    broken: bool

    @property
    def jitter(self) -> float:
        """The typical random difference of one raw value up to the peak, robust against jumps.

        By first or second differences, whichever see less: a short steep rise is no noise, nor is a bend. What comes
        after the peak is ragged for another reason; half the sweep is looked at in any case.
        """
        before = self.raw[: max(int(self.smooth.argmax()) + 1, len(self.raw) // 2)]
        first, second = (float(np.median(np.abs(np.diff(before, n=n)))) for n in (1, 2))
        return 1.4826 * min(first / math.sqrt(2), second / math.sqrt(6))

    @property
    def sampling_error(self) -> float:
        """The standard error of the highest accuracy, as the held-out set is finite; it does not show as jitter.

        How many examples it has is read off the smallest step between values.
        """
        apart = np.diff(np.unique(self.raw))
        apart = apart[apart > 1e-6]  # less is float32's rounding
        peak = float(self.smooth.max())
        return math.sqrt(max(0.0, peak * (1 - peak)) * float(apart.min())) if apart.size else 0.0


@dataclass(frozen=True, slots=True)
class Plateau:
    """What one sweep of one seed says.

    floor, peak: lowest and highest smoothed score. rise_lr: where it first leaves the floor for good.
    lower_lr, upper_lr: the stretch around the peak. reaches_end: the score had not fallen when the sweep ended.
    learns: the rise stands out from the jitter and from the luck of a finite held-out set.
    """

    metric: Metric
    floor: float
    peak: float
    rise_lr: float
    lower_lr: float
    upper_lr: float
    reaches_end: bool
    learns: bool

    @property
    def rise(self) -> float:
        """How far the score rose."""
        return self.peak - self.floor


def smooth(values: Sequence[float] | Floats, window: int) -> Floats:
    """Centred moving average, (n,) -> (n,); at the ends over what is there."""
    values = np.asarray(values, dtype=np.float64)
    kernel = np.ones(min(window, len(values)))
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")


def score(sweep: Sweep) -> Score | None:
    """The best score that was measured; None with fewer than `MIN_VALUES` finite values."""
    metric: Metric
    if len(sweep.held_out) >= MIN_VALUES:
        lrs = [look.lr for look in sweep.held_out]
        accuracies = [look.accuracy for look in sweep.held_out if look.accuracy is not None]
        if len(accuracies) == len(lrs):
            metric, values = "accuracy", accuracies
        else:
            metric, values = "held_out_loss", [-look.loss for look in sweep.held_out]
    else:
        lrs = [point.lr for point in sweep.points]
        metric, values = "loss", [-point.loss for point in sweep.points]
    raw = np.asarray(values, dtype=np.float64)
    broken = np.flatnonzero(~np.isfinite(raw))
    raw = raw[: broken[0]] if broken.size else raw
    if len(raw) < MIN_VALUES:
        return None
    lr = np.asarray(lrs[: len(raw)], dtype=np.float64)
    return Score(metric, lr, raw, smooth(raw, _window(len(raw))), bool(broken.size))


def plateau(sweep: Sweep) -> Plateau | None:
    """Find the plateau of a sweep; None where there are too few finite values."""
    measured = score(sweep)
    if measured is None:
        return None
    values = measured.smooth
    best = int(values.argmax())
    floor, peak = float(values.min()), float(values[best])
    good = values >= peak - TOLERANCE * (peak - floor)
    first, last = _stretch(good, best)
    risen = values[: best + 1] > floor + 0.1 * (peak - floor)
    still_low = np.flatnonzero(~risen)
    broke_off = measured.broken or sweep.broke_off
    at_end = last == len(values) - 1
    if at_end and broke_off:  # the rates just before a break brought it about
        last = max(first, last - _window(len(values)) // 2)
    return Plateau(
        metric=measured.metric,
        floor=floor,
        peak=peak,
        rise_lr=float(
            measured.lr[still_low[-1] + 1] if still_low.size and still_low[-1] < best else measured.lr[0]
        ),
        lower_lr=float(measured.lr[first]),
        upper_lr=float(measured.lr[last]),
        reaches_end=at_end and not broke_off,
        learns=peak - _untrained(sweep, measured, best) > _luck(measured),
    )


def at_end(found: Sequence[Plateau]) -> bool:
    """Whether most of these still scored as well as ever when their sweep ended."""
    return 2 * sum(at.reaches_end for at in found) > len(found)


def learns(sweep: Sweep) -> bool:
    """Whether its rise stands out; False where too little was measured."""
    found = plateau(sweep)
    return found is not None and found.learns


def depth(sweep: Sweep) -> float:
    """How far the loss fell below its untrained value at the best: held-out where it was measured.

    Losses tell ranges apart where accuracies have saturated. 0 where it never fell, or too little was measured.
    """
    losses = [look.loss for look in sweep.held_out] or [point.loss for point in sweep.points]
    finite = [loss for loss in losses if math.isfinite(loss)]
    if len(finite) < MIN_VALUES:
        return 0.0
    return max(0.0, sweep.points[0].loss - float(smooth(finite, _window(len(finite))).min()))


def _window(num_values: int) -> int:
    return max(3, round(WINDOW * num_values)) | 1


def _luck(measured: Score) -> float:
    """The rise that a curve without learning may show."""
    jitter = NOISE_FACTOR * measured.jitter
    if measured.metric != "accuracy":
        return jitter
    return max(jitter, MIN_ACCURACY_RISE, SAMPLING_ERRORS * measured.sampling_error)


def _untrained(sweep: Sweep, measured: Score, best: int) -> float:
    """The score that learning began from: not one after the peak, or a loss that only rises would have learned."""
    if measured.metric == "accuracy":  # of which the sweep has no value before its first update
        return float(measured.smooth.min())
    return min(float(measured.smooth[: best + 1].min()), -sweep.points[0].loss)


def _stretch(good: npt.NDArray[np.bool_], around: int) -> tuple[int, int]:
    """The ends of the run of good values that holds `around`."""
    bad = np.flatnonzero(~good)
    before, after = bad[bad < around], bad[bad > around]
    return (int(before[-1]) + 1 if before.size else 0, int(after[0]) - 1 if after.size else len(good) - 1)
