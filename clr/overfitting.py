"""Where training on overfits, read off the sweeps: the sum of the rates up to the lowest held-out loss.

How far a training has come is told by the sum of its rates, in whatever order they came: an update follows the
gradient for `lr`, so the sum is the time of gradient flow. A sweep whose held-out loss rises while its training loss
falls on has come too far, and so has any schedule that sums to more. Before all examples were seen once nothing is
overfitted; the training loss is averaged over an epoch, or batches would make it fall by chance.

Where accuracy decides, a rising held-out loss tells nothing: networks grow sure of their mistakes and make no more of
them. What counts is learning by heart, as of wrong labels: where the training loss lies lowest accuracy is past its
peak, and a good part of the fall of that loss came after it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from clr.reading import Floats, Plateau, Reading, Score, smooth, window_of
from clr.sweep import Sweep
from clr.turn import Turn

RISEN = 0.1  # of the fall of the held-out loss, that is lost again
LONGEST_EPOCH = 0.25  # of the sweep, over which its training loss is averaged
TRAINED_ON = 0.05  # of the training loss at the turn, by which it falls further
BY_HEART = 0.25  # of the training loss's fall up to the peak of accuracy, by which it falls further
FORGOTTEN = 0.05  # of the rise of accuracy, that is gone where the training loss lies lowest
NEAR_PEAK = 0.01  # of the rise, that a turn may lie below the peak: too late costs more than too early
FURTHER = 2.0  # times the sum of a turn: a sweep that went so far, and as low, without one refutes it


@dataclass(frozen=True, slots=True)
class _Way:
    """Of one sweep: its sums of rates where its score comes near its best, there, and at the end of the plateau around.

    The latter is 0 where a few steps at the highest rates make up most of it, as in an exponential sweep. best: the
    score, higher is better. by_loss: it is the held-out loss, with its sign turned.
    """

    range: tuple[str, float]
    best: float
    to_near: float
    to_best: float
    to_edge: float
    turned: bool
    by_loss: bool


def find_turn(
    readings: Sequence[Reading], probe: Reading | None = None, *, steps_per_epoch: float | None
) -> Turn | None:
    """None where no sweep learned by its held-out set, and where none turned by its accuracy.

    The probe, the slowest, has the last word. steps_per_epoch: None where no example comes twice.
    """
    ways = [way for reading in readings if (way := _follow(reading, steps_per_epoch)) is not None]
    rate_sum = _pool(ways)
    slowest = None if probe is None else _follow(probe, steps_per_epoch)
    if slowest is not None:
        ways.append(slowest)
        if slowest.turned:
            rate_sum = slowest.to_near
        elif rate_sum is not None and slowest.to_edge > FURTHER * rate_sum:
            rate_sum = None
    if rate_sum is None and not any(way.by_loss for way in ways):
        return None
    seen = max((way.to_edge for way in ways if not way.turned), default=0.0)
    return Turn(rate_sum, max(seen, rate_sum or 0.0))


def overfits(reading: Reading, *, steps_per_epoch: float | None) -> bool:
    """Whether the score of this sweep is lost while it trains on. steps_per_epoch: as `find_turn` has it."""
    score, plateau = reading.score, reading.plateau
    if score is None or plateau is None or plateau.metric == "loss":
        return False
    epoch = math.inf if steps_per_epoch is None else steps_per_epoch
    judge = _overfits if plateau.metric == "held_out_loss" else _learns_by_heart
    return judge(reading.sweep, score, plateau, epoch)


def _pool(ways: Sequence[_Way]) -> float | None:
    """The median over the seeds of the best range in which most turned; None where there is no such range, or a sweep
    refutes it."""
    ranges = {way.range: [one for one in ways if one.range == way.range] for way in ways}
    turning = [ways for ways in ranges.values() if 2 * sum(way.turned for way in ways) > len(ways)]
    if not turning:
        return None
    chosen = max(turning, key=lambda ways: max(way.best for way in ways))
    best = max(way.best for way in chosen if way.turned)
    rate_sum = math.exp(median(math.log(way.to_near) for way in chosen if way.turned))
    others = [way for way in ways if not way.turned and way.range != chosen[0].range]
    refuted = any(way.to_best > FURTHER * rate_sum and way.best >= best for way in others)
    return None if refuted else rate_sum


def _follow(reading: Reading, steps_per_epoch: float | None) -> _Way | None:
    """None where it tells nothing; of a probe the sweeps before have told that it learns."""
    score, plateau = reading.score, reading.plateau
    learns = reading.learns or reading.plan.phase == "probe"
    if score is None or plateau is None or not learns or plateau.metric == "loss":
        return None
    sums = np.cumsum([point.lr for point in reading.sweep.points])
    steps = [look.step for look in reading.sweep.held_out]
    near = int(np.flatnonzero(score.smooth >= plateau.peak - NEAR_PEAK * score.rise)[0])
    edge = int(np.flatnonzero(score.lr <= plateau.upper_lr)[-1])
    return _Way(
        range=(reading.plan.phase, reading.plan.end_lr),
        best=plateau.peak,
        to_near=float(sums[steps[near]]),
        to_best=float(sums[steps[int(score.smooth.argmax())]]),
        to_edge=float(sums[steps[edge]]) if reading.plan.shape == "linear" else 0.0,
        turned=overfits(reading, steps_per_epoch=steps_per_epoch),
        by_loss=plateau.metric == "held_out_loss",
    )


def _overfits(sweep: Sweep, score: Score, plateau: Plateau, epoch: float) -> bool:
    """Whether the held-out loss rises again, and the training loss falls further, though all examples were seen."""
    best = int(score.smooth.argmax())
    _, after = _trained(sweep, sweep.held_out[best].step, epoch)
    risen = plateau.peak - float(score.smooth[best:].min())
    return risen > RISEN * (plateau.peak - plateau.floor) and bool(
        after[0] - after.min() > TRAINED_ON * abs(after[0])
    )


def _learns_by_heart(sweep: Sweep, score: Score, plateau: Plateau, epoch: float) -> bool:
    """Whether accuracy is lost while the training loss falls much further. An exponential sweep is too fast to tell."""
    if sweep.plan.shape == "exponential":
        return False
    looks = [look.step for look in sweep.held_out][: len(score.smooth)]
    step = looks[int(score.smooth.argmax())]
    before, after = _trained(sweep, step, epoch)
    fell, further = sweep.points[0].loss - before.min(), before.min() - after.min()
    left = float(np.interp(step + int(after.argmin()), looks, score.smooth))
    return bool(0 <= BY_HEART * fell < further) and (
        plateau.peak - left > FORGOTTEN * (plateau.peak - plateau.floor)
    )


def _trained(sweep: Sweep, step: int, epoch: float) -> tuple[Floats, Floats]:
    """The training loss up to this step and from it on, averaged over an epoch.

    Of what came after it is nothing but the first value where not all examples were seen before.
    """
    losses = [point.loss for point in sweep.points if math.isfinite(point.loss)]
    trained = smooth(losses, max(window_of(len(losses)), round(min(epoch, len(losses)))))
    step = min(step, len(trained) - 1)
    seen = epoch <= step and epoch <= LONGEST_EPOCH * len(losses)
    return trained[: step + 1], trained[step:] if seen else trained[step : step + 1]
