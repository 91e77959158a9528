"""A sweep as it is read, once: its score, and the plateau on which that stays close to the best it reached.

The score is held-out accuracy, else minus the held-out loss, else minus the training loss; raw values are
smoothed here and kept as they are everywhere else. `next_sweep` and `read_bounds` make the readings and hand them down.
Of a model that had learned before, what is left to learn may be too little for the accuracy of a finite held-out set
to show: the held-out loss then decides.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from clr.metric import SweepMetric
from clr.sweep import Sweep, SweepPlan

Floats = npt.NDArray[np.float64]

MIN_VALUES = 12  # fewer measurements of a sweep say nothing
WINDOW = 0.05  # of the sweep, over which the score is averaged
TOLERANCE = 0.02  # of the whole rise, by which the plateau may lie below the peak
NOISE_FACTOR = 6.0  # a rise counts as learning when it is so many times the jitter between neighbours
FIXED_NOISE_FACTOR = 3.0  # the examples of a look are always the same: it jumps where the model does
MIN_ACCURACY_RISE = 0.03
SAMPLING_ERRORS = 5.0  # a rise of less may be luck: 360 sweeps of random labels wandered by up to 3.8


@dataclass(frozen=True, slots=True)
class Score:
    """A score along a sweep; higher is better. Arrays: (n,). `broken`: cut where it stopped being finite."""

    metric: SweepMetric
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
    def rise(self) -> float:
        """From its lowest smoothed value before the peak to the peak, >= 0."""
        best = int(self.smooth.argmax())
        return float(self.smooth[best] - self.smooth[: best + 1].min())

    @property
    def sampling_error(self) -> float:
        """The standard error of the middle accuracy, as the held-out set is finite; it does not show as jitter.

        Where nothing is learned that is chance, of which one example more and one less are thought to have been right.
        How many there are is read off the smallest step between values.
        """
        apart = np.diff(np.unique(self.raw))
        apart = apart[apart > 1e-6]  # less is float32's rounding
        if not apart.size:
            return 0.0
        share = float(apart.min())
        middle = (float(np.median(self.raw)) + share) / (1 + 2 * share)
        return math.sqrt(max(0.0, middle * (1 - middle)) * share)


@dataclass(frozen=True, slots=True)
class Plateau:
    """What one sweep of one seed says.

    floor, peak: lowest and highest smoothed score. rise_lr: where it first leaves the floor for good.
    lower_lr, upper_lr: the stretch around the peak. reaches_end: the score had not fallen when the sweep ended.
    learns: the rise stands out from the jitter and from the luck of a finite held-out set.
    """

    metric: SweepMetric
    floor: float
    peak: float
    rise_lr: float
    lower_lr: float
    upper_lr: float
    reaches_end: bool
    learns: bool


@dataclass(frozen=True)
class Reading:
    """One sweep with what it says, each part worked out when it is first asked for; the sweep may not grow any more.

    by_loss: the held-out loss decides, though there is an accuracy.
    """

    sweep: Sweep
    by_loss: bool = False

    @property
    def plan(self) -> SweepPlan:
        """The sweep's."""
        return self.sweep.plan

    @cached_property
    def score(self) -> Score | None:
        """The best score that was measured; None with fewer than `MIN_VALUES` finite values."""
        return read_score(self.sweep, by_loss=self.by_loss)

    @cached_property
    def plateau(self) -> Plateau | None:
        """Where the score is close to its best; None where there is no score."""
        return None if self.score is None else find_plateau(self.sweep, self.score, by_loss=self.by_loss)

    @property
    def learns(self) -> bool:
        """Whether the rise stands out; False where too little was measured."""
        return self.plateau is not None and self.plateau.learns

    @property
    def luck(self) -> float:
        """A difference of scores that nothing but luck may make; 0 where there is no score."""
        return 0.0 if self.score is None else _luck(self.score, by_loss=self.by_loss)

    @cached_property
    def depth(self) -> float:
        """How far the loss fell below its first value at the best, >= 0: held-out where it was measured.

        The first is that of a batch; by_loss: of the held-out set, or examples trained on before would lie below all.
        Losses tell ranges apart where accuracies have saturated. 0 where it never fell, or too little was measured.
        """
        losses = [look.loss for look in self.sweep.held_out] or [point.loss for point in self.sweep.points]
        finite = [loss for loss in losses if math.isfinite(loss)]
        if len(finite) < MIN_VALUES:
            return 0.0
        lowest = float(smooth(finite, window_of(len(finite))).min())
        return max(0.0, (losses[0] if self.by_loss else self.sweep.points[0].loss) - lowest)

    @property
    def first_share(self) -> float | None:
        """The accuracy at the first look of a model that had learned before; None of any other, as far as can be seen.

        More than half is right then, beyond luck, and were every mistake mended it might still be luck.
        """
        score = read_score(self.sweep)
        if score is None or score.metric != "accuracy":
            return None
        first = float(score.raw[0])
        learned = first - SAMPLING_ERRORS * score.sampling_error > 0.5
        return first if learned and 1 - first <= _luck(score) else None


def read_all(sweeps: Sequence[Sweep]) -> list[Reading]:
    """Every sweep as it is read; by the held-out loss where the model had learned before and accuracy shows no more."""
    readings = [Reading(sweep) for sweep in sweeps]
    if 2 * sum(reading.learns and reading.first_share is None for reading in readings) > len(readings):
        return readings
    if all(reading.first_share is None for reading in readings):
        return readings
    return [Reading(sweep, by_loss=True) for sweep in sweeps]


def list_plateaus(readings: Sequence[Reading]) -> list[Plateau]:
    """The plateaus of the sweeps that have one, whether or not they learned."""
    return [reading.plateau for reading in readings if reading.plateau is not None]


def most_reach_end(plateaus: Sequence[Plateau]) -> bool:
    """Whether more than half still scored as well as ever when their sweep ended."""
    return 2 * sum(plateau.reaches_end for plateau in plateaus) > len(plateaus)


def smooth(values: Sequence[float] | Floats, window: int) -> Floats:
    """Centred moving average, (n,) -> (n,); at the ends over what is there."""
    values = np.asarray(values, dtype=np.float64)
    kernel = np.ones(min(window, len(values)))
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")


def read_score(sweep: Sweep, *, by_loss: bool = False) -> Score | None:
    """The best score that was measured; None with fewer than `MIN_VALUES` finite values. by_loss: not the accuracy."""
    metric: SweepMetric
    if len(sweep.held_out) >= MIN_VALUES:
        lrs = [look.lr for look in sweep.held_out]
        accuracies = [look.accuracy for look in sweep.held_out if look.accuracy is not None]
        if len(accuracies) == len(lrs) and not by_loss:
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
    return Score(metric, lr, raw, smooth(raw, window_of(len(raw))), bool(broken.size))


def find_plateau(sweep: Sweep, score: Score, *, by_loss: bool = False) -> Plateau:
    """The plateau around the peak of this sweep's score. by_loss: of the held-out loss, though there is an accuracy."""
    values = score.smooth
    best = int(values.argmax())
    floor, peak = float(values.min()), float(values[best])
    good = values >= peak - TOLERANCE * (peak - floor)
    first, last = _stretch(good, best)
    risen = values[: best + 1] > floor + 0.1 * (peak - floor)
    still_low = np.flatnonzero(~risen)
    broke_off = score.broken or sweep.broke_off
    at_end = last == len(values) - 1
    if at_end and broke_off:  # the rates just before a break brought it about
        last = max(first, last - window_of(len(values)) // 2)
    return Plateau(
        metric=score.metric,
        floor=floor,
        peak=peak,
        rise_lr=float(
            score.lr[still_low[-1] + 1] if still_low.size and still_low[-1] < best else score.lr[0]
        ),
        lower_lr=float(score.lr[first]),
        upper_lr=float(score.lr[last]),
        reaches_end=at_end and not broke_off,
        learns=peak - _untrained(sweep, score, best) > _luck(score, by_loss=by_loss),
    )


def window_of(num_values: int) -> int:
    """Over how many of the values of a sweep one is averaged: odd."""
    return max(3, round(WINDOW * num_values)) | 1


def _luck(score: Score, *, by_loss: bool = False) -> float:
    """The rise that a curve without learning may show. by_loss: there is an accuracy as well."""
    if score.metric != "accuracy":
        return (FIXED_NOISE_FACTOR if by_loss else NOISE_FACTOR) * score.jitter
    return max(FIXED_NOISE_FACTOR * score.jitter, MIN_ACCURACY_RISE, SAMPLING_ERRORS * score.sampling_error)


def _untrained(sweep: Sweep, score: Score, best: int) -> float:
    """The score that learning began from: not one after the peak, or a loss that only rises would have learned."""
    if score.metric == "accuracy":  # of which the sweep has no value before its first update
        return float(score.smooth.min())
    return min(float(score.smooth[: best + 1].min()), -sweep.points[0].loss)


def _stretch(good: npt.NDArray[np.bool_], around: int) -> tuple[int, int]:
    """The ends of the run of good values that holds `around`."""
    bad = np.flatnonzero(~good)
    before, after = bad[bad < around], bad[bad > around]
    return (int(before[-1]) + 1 if before.size else 0, int(after[0]) - 1 if after.size else len(good) - 1)
