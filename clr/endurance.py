"""Whether rates that a sweep of two hundred steps bears are too high for long, read off the probe.

A network whose units die a few at a time scores well for so many steps, at rates that leave nothing of it after a
thousand. Its training loss rises as well; where that falls on, the score is lost to overfitting.
"""

from collections.abc import Sequence

import numpy as np

from clr.collapse import Collapse
from clr.overfitting import overfits
from clr.reading import Reading

LOST = 0.2  # of the rise of the score, that is gone at the probe's end
BORNE = 0.1  # of the rise, by which the score may lie below its peak


def find_collapse(probes: Sequence[Reading], *, steps_per_epoch: float | None) -> Collapse | None:
    """That of the last probe that shows one; None where each bore its rates.

    steps_per_epoch: None where no example comes twice.
    """
    found = [_read(probe, steps_per_epoch) for probe in probes]
    return next((collapse for collapse in reversed(found) if collapse is not None), None)


def _read(probe: Reading, steps_per_epoch: float | None) -> Collapse | None:
    score = probe.score
    if score is None:
        return None
    best = int(score.smooth.argmax())
    fallen, rise = score.smooth[best] - score.smooth[best:], score.rise
    lost = fallen[-1] > max(LOST * rise, probe.luck)
    if not probe.sweep.broke_off and (not lost or overfits(probe, steps_per_epoch=steps_per_epoch)):
        return None
    below = np.flatnonzero(fallen > BORNE * rise)
    last = best + int(below[0]) - 1 if below.size else -1
    return Collapse(float(score.lr[last]), probe.plan.num_steps)
