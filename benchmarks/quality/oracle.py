"""The best there is: every task trained at every max_lr of a grid, once, kept in benchmarks/quality_oracle.json.

Two triangular cycles between max_lr / 4 and max_lr. The first seed is trained everywhere, the others only where it
comes near its best or stands beside such a rate: elsewhere a point of noise does not matter.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.quality.kept import Committed, Kept
from benchmarks.quality.tasks import Task, chance, points
from clr.policies import parse_schedule
from clr.training.seeding import seeded
from clr.training_job import TrainingPlan, run_training
from clr.training_result import CycleEnd

ORACLES = Committed(Path(__file__).parent.parent / "quality_oracle.json")
GRID, PER_DECADE = 23, 4
LOWEST = {
    "sgd": 1e-4,
    "momentum": 1e-4,
    "adam": 1e-5,
    "adamw": 1e-5,
    "nesterov": 1e-4,
    "adam-eps": 1e-5,
    "adamw-decay": 1e-5,
    "rmsprop": 1e-6,
    "adagrad": 1e-4,
    "adadelta": 1e-3,
    "muon": 1e-5,
}
SEEDS = (0, 1, 2)
DIVISOR, CYCLES = 4, 2
STEP_SIZE_EPOCHS, LONGEST_STEP_SIZE = 2, 80
NEAR = 15.0  # points below the first seed's best


@dataclass(frozen=True, slots=True)
class Oracle:
    """The score of a task over max_lr, in points: the mean over seeds, then the median of three neighbours."""

    lrs: Sequence[float]
    scores: Sequence[float]
    chance: float

    @property
    def best(self) -> float:
        """The highest score."""
        return max(self.scores)

    @property
    def best_lr(self) -> float:
        """The rate of the highest score."""
        return self.lrs[int(np.argmax(self.scores))]

    def regret(self, lr: float) -> float:
        """What is lost at this rate: between grid points on a line over log(lr), outside as at the nearest."""
        return self.best - float(np.interp(math.log(lr), np.log(self.lrs), self.scores))

    def diverged(self, lr: float) -> bool:
        """Whether nine tenths of what can be learned are lost."""
        return self.regret(lr) > 0.9 * (self.best - self.chance)

    def good(self, within: float = 1.0) -> tuple[float, float]:
        """The ends of the stretch of grid rates around the best that lose less than so many points."""
        enough = [score >= self.best - within for score in self.scores]
        first = last = int(np.argmax(self.scores))
        while first > 0 and enough[first - 1]:
            first -= 1
        while last < len(enough) - 1 and enough[last + 1]:
            last += 1
        return self.lrs[first], self.lrs[last]


def load_oracle(task: Task) -> Oracle | None:
    """As it was kept; None before the task was trained."""
    stored = ORACLES.read().get(task.name)
    if stored is None:
        return None
    means = [sum(row) / len(row) for row in stored["scores"]]
    padded = [means[0], *means, means[-1]]
    smoothed = [float(np.median(padded[index : index + 3])) for index in range(len(means))]
    return Oracle(stored["lrs"], smoothed, stored["chance"])


def train_oracle(task: Task) -> None:
    """Train what is missing of a task, and keep it."""
    if task.name in ORACLES.read():
        return
    kept = Kept("oracle")
    scores = {(row["lr"], row["seed"]): row["score"] for row in kept if row["task"] == task.name}
    lrs = [float(f"{LOWEST[task.optimizer] * 10 ** (index / PER_DECADE):.4g}") for index in range(GRID)]
    for seed in SEEDS:
        for lr in lrs if seed == SEEDS[0] else _near_best(lrs, scores):
            if (lr, seed) not in scores:
                scores[lr, seed] = _train(task, lr, seed)
                kept.add({"task": task.name, "lr": lr, "seed": seed, "score": scores[lr, seed]})
    rows = [[scores[lr, seed] for seed in SEEDS if (lr, seed) in scores] for lr in lrs]
    problem = task.problem(0)
    ORACLES.write(
        task.name,
        {
            "steps": 2 * CYCLES * _step_size(task.steps_per_epoch(problem)),
            "chance": chance(problem),
            "lrs": lrs,
            "scores": rows,
        },
    )


def _near_best(lrs: Sequence[float], scores: dict[tuple[float, int], float]) -> list[float]:
    first = [scores[lr, SEEDS[0]] for lr in lrs]
    near = [score >= max(first) - NEAR for score in first]
    return [lr for index, lr in enumerate(lrs) if any(near[max(0, index - 1) : index + 2])]


def _train(task: Task, max_lr: float, seed: int) -> float:
    """The held-out score after the last cycle; chance where the loss broke off."""
    problem = task.problem(seed)
    step_size = _step_size(task.steps_per_epoch(problem))
    num_steps = 2 * CYCLES * step_size
    schedule = {"policy": "triangular", "base_lr": max_lr / DIVISOR, "max_lr": max_lr, "step_size": step_size}
    plan = TrainingPlan(
        schedule=parse_schedule(schedule),
        step_size=step_size,
        num_steps=num_steps,
        steps_per_epoch=task.steps_per_epoch(problem),
        eval_every=num_steps,
    )
    trainer = task.trainer(problem)
    with seeded(seed):
        last = [
            row for row in run_training(plan, trainer.step, trainer.evaluate) if isinstance(row, CycleEnd)
        ]
    if len(last) < CYCLES or last[-1].loss is None:
        return round(chance(problem), 3)
    return round(points(problem, last[-1].loss, last[-1].accuracy), 3)


def _step_size(steps_per_epoch: int) -> int:
    return min(STEP_SIZE_EPOCHS * steps_per_epoch, LONGEST_STEP_SIZE)
