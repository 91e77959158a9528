"""The confirmation of a thorough test in process, as the worker trains it, from runs that are trained once and kept."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from benchmarks.quality.kept import Kept
from benchmarks.quality.tasks import Task
from clr.bounds import Bounds
from clr.climb import confirm_bounds, next_runs
from clr.contender import ContenderRun, RunPlan
from clr.sweep import HeldOut
from clr.training.seeding import seeded
from clr.training_job import run_training
from clr.training_result import CycleEnd

SEED_APART = 3  # from a test's first: the seeds of its sweeps lie between


class Trainings:
    """The runs of one task: read where they were kept, trained and kept where not."""

    def __init__(self, task: Task) -> None:
        self._task, self._kept = task, Kept("confirmations")
        self._known = {_key(row["plan"]): row["final"] for row in self._kept.of(task.name)}

    def confirm(self, bounds: Bounds, training: Mapping[str, Any], *, seed: int) -> Bounds:
        """These bounds with what the trainings of a test of this first seed say of such a training."""
        runs: list[ContenderRun] = []
        while plans := next_runs(bounds, runs, training=training, seed=seed + SEED_APART, sweep=100):
            runs += map(self._trained, plans)
        return confirm_bounds(bounds, runs, training=training)

    def _trained(self, plan: RunPlan) -> ContenderRun:
        key = _key(asdict(plan))
        if key not in self._known:
            final = _train(self._task, plan).final
            told = None if final is None else asdict(final)
            self._kept.add({"task": self._task.name, "plan": asdict(plan), "final": told})
            self._known[key] = told
        final = self._known[key]
        return ContenderRun(plan, [], [] if final is None else [HeldOut(**final)])


def _train(task: Task, plan: RunPlan) -> ContenderRun:
    run, trainer = ContenderRun(plan), task.trainer(task.problem(plan.seed))
    with seeded(plan.seed):
        for row in run_training(plan.training(steps_per_epoch=None), trainer.step, trainer.evaluate):
            if not isinstance(row, CycleEnd):
                run.add(row)
    return run


def _key(plan: Mapping[str, Any]) -> str:
    """What a training depends on: `sweep` and `label` only name it."""
    return json.dumps({name: plan[name] for name in ("schedule", "seed", "num_steps")})
