"""Where training on overfits, read off the sweeps: the sum of the rates up to the lowest held-out loss.

How far a training has come is told by the sum of its rates, in whatever order they came: an update follows the
gradient for `lr`, so the sum is the time of gradient flow. A sweep whose held-out loss rises while its training loss
falls on has come too far, and so has any schedule that sums to more. Before all examples were seen once nothing is
overfitted; the training loss is averaged over an epoch, or batches would make it fall by chance. Where accuracy
decides, nothing is read: it hardly falls.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from clr.reading import Reading, smooth, window_of
from clr.sweep import Sweep
from clr.turn import Turn

RISEN = 0.1  # of the fall of the held-out loss, that is lost again
LONGEST_EPOCH = 0.25  # of the sweep, over which its training loss is averaged
TRAINED_ON = 0.05  # of the training loss at the turn, by which it falls further
FURTHER = 2.0  # times the sum of a turn: a sweep that went so far, and as low, without one refutes it


@dataclass(frozen=True, slots=True)
class _Way:
    """Of one sweep: its sums of rates at the lowest held-out loss and at the end of the plateau around that.

    The latter is 0 where a few steps at the highest rates make up most of it, as in an exponential sweep.
    """

    range: tuple[str, float]
    lowest: float
    to_lowest: float
    to_edge: float
    turned: bool


def find_turn(readings: Sequence[Reading], *, steps_per_epoch: float | None) -> Turn | None:
    """None where no sweep learned by its held-out loss. steps_per_epoch: None where no example comes twice."""
    epoch = math.inf if steps_per_epoch is None else steps_per_epoch
    ways = [way for reading in readings if (way := _follow(reading, epoch)) is not None]
    if not ways:
        return None
    seen = max((way.to_edge for way in ways if not way.turned), default=0.0)
    rate_sum = _pool(ways)
    return Turn(rate_sum, max(seen, rate_sum or 0.0))


def _pool(ways: Sequence[_Way]) -> float | None:
    """The median over the seeds of the best range in which most turned; None where there is no such range, or a sweep
    refutes it."""
    ranges = {way.range: [one for one in ways if one.range == way.range] for way in ways}
    turning = [ways for ways in ranges.values() if 2 * sum(way.turned for way in ways) > len(ways)]
    if not turning:
        return None
    best = min(turning, key=lambda ways: min(way.lowest for way in ways))
    lowest = min(way.lowest for way in best if way.turned)
    rate_sum = math.exp(median(math.log(way.to_lowest) for way in best if way.turned))
    refuted = any(
        way.to_lowest > FURTHER * rate_sum and way.lowest <= lowest for way in ways if not way.turned
    )
    return None if refuted else rate_sum


def _follow(reading: Reading, epoch: float) -> _Way | None:
    score, plateau = reading.score, reading.plateau
    if score is None or plateau is None or not plateau.learns or plateau.metric != "held_out_loss":
        return None
    sums = np.cumsum([point.lr for point in reading.sweep.points])
    steps = [look.step for look in reading.sweep.held_out]
    lowest = int(score.smooth.argmax())
    edge = int(np.flatnonzero(score.lr <= plateau.upper_lr)[-1])
    risen = plateau.peak - float(score.smooth[lowest:].min())
    return _Way(
        range=(reading.plan.phase, reading.plan.end_lr),
        lowest=-plateau.peak,
        to_lowest=float(sums[steps[lowest]]),
        to_edge=float(sums[steps[edge]]) if reading.plan.shape == "linear" else 0.0,
        turned=risen > RISEN * (plateau.peak - plateau.floor)
        and _trains_on(reading.sweep, steps[lowest], epoch),
    )


def _trains_on(sweep: Sweep, step: int, epoch: float) -> bool:
    """Whether the training loss falls further after this step, though every example was seen before it."""
    losses = [point.loss for point in sweep.points if math.isfinite(point.loss)]
    if step < epoch or epoch > LONGEST_EPOCH * len(losses):
        return False
    trained = smooth(losses, max(window_of(len(losses)), round(epoch)))
    at_turn = float(trained[min(step, len(trained) - 1)])
    return at_turn - float(trained[step:].min(initial=at_turn)) > TRAINED_ON * abs(at_turn)
