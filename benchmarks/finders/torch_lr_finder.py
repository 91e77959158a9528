"""torch-lr-finder: `LRFinder.range_test`, and the suggestion of its `plot`."""

import math
from collections.abc import Callable, Mapping
from functools import partial

from matplotlib.figure import Figure
from torch_lr_finder import LRFinder, lr_finder

from benchmarks.finders import Training
from clr.sweep import SweepPlan

lr_finder.tqdm = iter  # no progress bar


def ready(training: Training, plan: SweepPlan) -> Callable[[], object]:
    """The sweep of a plan."""
    return partial(
        _finder(training).range_test,
        training.loader,
        start_lr=plan.start_lr,
        end_lr=plan.end_lr,
        num_iter=plan.num_steps,
        diverge_th=math.inf,
    )


def steepest(training: Training) -> float | None:
    """As its README calls it: from 1e-7 to 100 in 100 steps."""
    finder = _finder(training)
    finder.range_test(training.loader, start_lr=1e-7, end_lr=100, num_iter=100)
    _, lr = finder.plot(ax=Figure().subplots())
    return float(lr)


def _finder(training: Training) -> LRFinder:
    return LRFinder(training.model, training.optimizer, training.loss, device="cpu")


RULES: Mapping[str, Callable[[Training], float | None]] = {"steepest": steepest}
