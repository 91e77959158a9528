"""The trainings of a thorough test in a loop of the caller's own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from clr.bounds import Bounds
from clr.climb import confirm_bounds, next_runs
from clr.contender import ContenderRun

EARLY = "the loop ended before its trainings did: what they said was left out"


class Trainings:
    """What is trained after the sweeps. training: {"policy", "num_epochs"} or None. seed: one that no sweep has."""

    def __init__(self, training: Mapping[str, Any] | None, *, seed: int) -> None:
        self._training, self._seed = training, seed
        self.finished: list[ContenderRun] = []

    def next(self, bounds: Bounds) -> ContenderRun | None:
        """The one to train now, nothing measured yet; None when nothing is left."""
        sweep = 1 + max(sweep.plan.sweep for sweep in bounds.sweeps)
        plans = next_runs(bounds, self.finished, training=self._training, seed=self._seed, sweep=sweep)
        return ContenderRun(plans[0]) if plans else None

    def confirm(self, bounds: Bounds) -> Bounds:
        """What they say of these bounds, once all have ended."""
        if self.next(bounds) is None:
            return confirm_bounds(bounds, self.finished, training=self._training)
        return replace(bounds, warnings=(*bounds.warnings, EARLY))
