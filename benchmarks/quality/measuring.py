"""Range tests in process, as the worker runs them, from sweeps that are measured once and kept.

A sweep follows from its task and plan alone, so that a changed rule or plan pays only for the sweeps it has not seen.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from benchmarks.quality.kept import Kept
from benchmarks.quality.tasks import Task
from clr.range_test import RangeTestConfig, next_sweep
from clr.sweep import Effort, Sweep, SweepPlan, run_sweep
from clr.training.looks import sample_held_out
from clr.training.seeding import seeded

Measure = Callable[[SweepPlan], Sweep]


def range_test(config: RangeTestConfig, measure: Measure) -> list[Sweep]:
    """Every sweep of one range test."""
    finished: list[Sweep] = []
    while (plan := next_sweep(config, finished)) is not None:
        finished.append(measure(plan))
    return finished


class Sweeps:
    """The sweeps of one task: read where they were kept, measured and kept where not. seconds: of CPU."""

    def __init__(self, task: Task) -> None:
        self._task, self._kept = task, Kept("sweeps")
        self._known = {_key(row["plan"]): row for row in self._kept.of(task.name)}

    def range_test(self, seed: int, effort: Effort, num_steps: int | None = None) -> list[Sweep]:
        """Every sweep of one range test with this first seed; num_steps: of each sweep, None for the default."""
        return range_test(RangeTestConfig(seed=seed, effort=effort, num_steps=num_steps), self.measure)

    def measure(self, plan: SweepPlan) -> Sweep:
        """The sweep of this plan."""
        planned = asdict(plan)
        key = _key(planned)
        if key not in self._known:
            started = time.process_time()
            sweep = measured(self._task, plan)
            seconds = round(time.process_time() - started, 3)
            row = {"task": self._task.name, "plan": planned, "seconds": seconds, "series": _columns(sweep)}
            self._kept.add(row)
            self._known[key] = row
        return Sweep.from_columns(planned, self._known[key]["series"])

    def seconds(self, sweep: Sweep) -> float:
        """How long it took to measure."""
        return float(self._known[_key(asdict(sweep.plan))]["seconds"])


def measured(task: Task, plan: SweepPlan) -> Sweep:
    """Measure one sweep of a task."""
    problem = task.problem(plan.seed)
    looked_at = sample_held_out(problem, batch_size=task.size, eval_every=plan.eval_every)
    trainer, sweep = task.trainer(looked_at), Sweep(plan)
    with seeded(plan.seed):
        for row in run_sweep(plan, trainer.step, trainer.evaluate):
            sweep.add(row)
    return sweep


def _key(plan: dict[str, Any]) -> str:
    """What the measurement depends on: `sweep` and `phase` only name it."""
    return json.dumps({name: value for name, value in plan.items() if name not in ("sweep", "phase")})


def _columns(sweep: Sweep) -> dict[str, dict[str, list[float]]]:
    """As `Sweep.from_columns` reads them; NaN: no accuracy."""
    accuracies = [
        float("nan") if look.accuracy is None else round(look.accuracy, 6) for look in sweep.held_out
    ]
    return {
        "train": {
            "step": [point.step for point in sweep.points],
            "lr": [point.lr for point in sweep.points],
            "loss": [point.loss for point in sweep.points],
        },
        "held_out": {
            "step": [look.step for look in sweep.held_out],
            "lr": [look.lr for look in sweep.held_out],
            "loss": [look.loss for look in sweep.held_out],
            "accuracy": accuracies,
        },
    }
