"""Curves that hold no answer: how often we say so."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from benchmarks.quality.measuring import Measure, Sweeps, range_test
from benchmarks.quality.tasks import Task
from clr.analysis import read_bounds
from clr.bounds import Inconclusive
from clr.range_test import RangeTestConfig
from clr.sweep import Effort, Sweep, SweepPlan, run_sweep

SEEDS = tuple(range(0, 100, 10))
EXAMPLES, CLASSES = 400, 10  # held out, of the made-up curves
RANDOM_LABELS = Task(workload="digits-random-labels", optimizer="momentum")

Stub = tuple[Callable[[float], float], Callable[[], tuple[float, float | None]]]


def verdicts(effort: Effort) -> dict[str, Counter[str]]:
    """By the kind of curve: how often each verdict fell, "answered" among them."""
    random_labels = Sweeps(RANDOM_LABELS)
    kinds: dict[str, Measure] = {
        "random labels": random_labels.measure,
        "constant loss": lambda plan: _made_up(plan, _constant(1.0)),
        "all NaN": lambda plan: _made_up(plan, _constant(float("nan"))),
        "noise": lambda plan: _made_up(plan, _noise(plan.seed)),
    }
    return {
        kind: Counter(_verdict(seed, effort, measure) for seed in SEEDS) for kind, measure in kinds.items()
    }


def _verdict(seed: int, effort: Effort, measure: Measure) -> str:
    found = read_bounds(range_test(RangeTestConfig(seed=seed, effort=effort), measure))
    return found.why if isinstance(found, Inconclusive) else "answered"


def _made_up(plan: SweepPlan, stub: Stub) -> Sweep:
    sweep = Sweep(plan)
    for row in run_sweep(plan, *stub):
        sweep.add(row)
    return sweep


def _constant(loss: float) -> Stub:
    return lambda lr: loss, lambda: (loss, 1 / CLASSES)


def _noise(seed: int) -> Stub:
    rng = np.random.default_rng(seed)
    start = float(np.log(CLASSES))

    def evaluate() -> tuple[float, float]:
        return rng.normal(start, 0.02), rng.binomial(EXAMPLES, 1 / CLASSES) / EXAMPLES

    return lambda lr: rng.normal(start, 0.1), evaluate
