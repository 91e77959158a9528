"""Where the training loss of an exponential sweep lies low, and where all that it fell is lost again.

The centre of the basin is told as the rate that brought it about. One noisy sweep's lowest loss jumps by a factor of
two and more from seed to seed; the centre of all that lies about as low jumps by a fifth of that.
"""

import math

import numpy as np

from clr.reading import Reading, smooth

WINDOW = 0.1  # of the planned sweep, over which the loss is averaged
SCALE = 0.1  # of the fall: a rate's weight is smaller by a factor of e for each such share that its loss lies above
LOST = 0.9  # of the fall: so much is all of it
STEPS = 9  # over which the loss is averaged that tells what is lost
MOST_DELAY = math.log(10) / 2  # of log(lr): half a decade, whatever the momentum and however few the steps


def find_basin_lr(scout: Reading, *, momentum: float = 0.0) -> float | None:
    """The centre on the log scale, with weights exp(-(loss - lowest) / (SCALE x fall)); None where nothing was learned.

    momentum: of the optimizer, >= 0: an update is made of gradients that are momentum / (1 - momentum) steps old
    on average, so that the loss answers to the rate of so many steps before.
    """
    if not scout.learns:
        return None
    plan = scout.plan
    losses = np.array(_losses_of(scout))
    broken = np.flatnonzero(~np.isfinite(losses))
    losses = losses[: broken[0]] if broken.size else losses
    smoothed = smooth(losses, max(3, round(WINDOW * plan.num_steps)) | 1)
    above, fall = smoothed - smoothed.min(), smoothed[0] - smoothed.min()
    weights = np.exp(-above / (SCALE * fall)) if fall > 0 else above == 0
    step = float(weights @ np.arange(len(smoothed)) / weights.sum())
    pace = math.log(plan.end_lr / plan.start_lr) / (plan.num_steps - 1)
    delay = min(MOST_DELAY, pace * momentum / (1 - momentum)) if momentum < 1 else MOST_DELAY
    return float(plan.start_lr * math.exp(pace * step - delay))


def find_break_lr(scout: Reading) -> float | None:
    """The rate at which all that the loss fell was lost again, or the sweep broke off; None where neither came about,
    or nothing was learned.

    A network whose units died loses all and yet does not diverge.
    """
    if not scout.learns:
        return None
    points = scout.sweep.points
    losses = [loss for loss in _losses_of(scout) if math.isfinite(loss)]
    smoothed = smooth(losses, STEPS)
    lowest, start = int(smoothed.argmin()), float(np.mean(losses[:STEPS]))
    lost = np.flatnonzero(smoothed[lowest:] >= start - (1 - LOST) * (start - smoothed[lowest]))
    if lost.size:
        return points[lowest + int(lost[0])].lr
    return points[-1].lr if scout.sweep.broke_off else None


def _losses_of(scout: Reading) -> list[float]:
    """At every step: of its batch, or of the held-out set between looks where that decides."""
    points, looks = scout.sweep.points, scout.sweep.held_out
    if not scout.by_loss:
        return [point.loss for point in points]
    steps = [point.step for point in points]
    return list(np.interp(steps, [look.step for look in looks], [look.loss for look in looks]).tolist())
