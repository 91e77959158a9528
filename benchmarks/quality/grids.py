"""Every task trained at a grid of max_lr under schedules of 1, 4 and 16 x 320 steps.

Nine rates half a decade apart, then four around the best; the second and third seed at those five alone. One half of
the held-out examples chooses, the other scores. What was trained before is not trained again: whole grids are in
benchmarks/quality_budgets.json.
"""

import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.halves import chooses, scores
from benchmarks.quality.kept import Committed, Kept
from benchmarks.quality.tasks import (
    Task,
    chance,
    points,
)
from clr.policies import parse_schedule
from clr.training.seeding import seeded

GRIDS = Committed(
    Path(__file__).parent.parent / "quality_budgets.json"
)  # [lr, seed, chosen by, scored], in points
BASE = 320  # steps: two cycles, as the oracle of max_lr has them
WARM_UP = 0.05  # of a cosine
DIVISOR = 4
LOOKS = 16  # in each training
SHAPES = {
    1: ("triangular2", "one_cycle", "cosine", "fixed"),
    4: ("one_cycle", "cosine"),
    16: ("one_cycle", "cosine"),
}
LOWEST = {
    "sgd": 1e-3,
    "momentum": 3e-4,
    "adam": 3e-5,
    "adamw": 3e-5,
    "nesterov": 3e-4,
    "adam-eps": 1e-4,
    "adamw-decay": 3e-5,
    "rmsprop": 1e-5,
    "adagrad": 1e-3,
    "adadelta": 1e-2,
    "muon": 3e-5,
}
RATES, AROUND = 9, (-1 / 3, -1 / 6, 1 / 6, 1 / 3)  # decades
SEEDS = (0, 1, 2)
Scores = tuple[float | None, float]


def rates(policy: str, max_lr: float, num_steps: int) -> list[float]:
    """Of every update. cosine: after a linear warm-up, to 0."""
    if policy == "cosine":
        warm = max(1, int(WARM_UP * num_steps))
        rise = [max_lr * (step + 1) / warm for step in range(warm)]
        fall = num_steps - warm
        return rise + [max_lr * (1 + math.cos(math.pi * step / fall)) / 2 for step in range(fall)]
    spec: dict[str, Any] = {"policy": policy, "base_lr": max_lr / DIVISOR, "max_lr": max_lr}
    own = {
        "triangular2": {"step_size": num_steps // 4},
        "one_cycle": {"num_steps": num_steps},
    }
    schedule = parse_schedule({"policy": "fixed", "lr": max_lr} if policy == "fixed" else spec | own[policy])
    return [schedule(step) for step in range(num_steps)]


def train(task: Task, planned: Sequence[float], seed: int) -> tuple[list[float], float]:
    """At these rates: (`LOOKS` scores on the half that chooses, the last one on the other), in points; chance where it
    broke off."""
    problem = task.problem(seed)
    chosen_on, scored_on = chooses(problem), scores(problem)
    every = len(planned) // LOOKS
    trainer = task.trainer(chosen_on)
    seen: list[float] = []
    with seeded(seed):
        for step, rate in enumerate(planned, start=1):
            loss = trainer.step(rate)
            if step % every == 0:
                if not math.isfinite(float(loss)):
                    return seen, round(chance(problem), 3)
                seen.append(round(points(chosen_on, *trainer.evaluate()), 3))
    return seen, round(points(scored_on, *task.trainer(scored_on).evaluate()), 3)


class Grid:
    """What was trained of one task under one schedule at one length."""

    def __init__(self, task: Task, policy: str, length: int, kept: Kept) -> None:
        self._task, self._policy, self._length, self._kept = task, policy, length, kept
        self._chance = chance(task.problem(SEEDS[0]))
        stored = GRIDS.read().get(self.name, [])
        self._found: dict[tuple[float, int], Scores] = {
            (lr, seed): (last, score) for lr, seed, last, score in stored
        }
        for row in kept if not stored else ():
            if (row["task"], row["policy"], row["length"]) == (task.name, policy, length):
                self._found[row["lr"], row["seed"]] = _last(row["seen"]), row["score"]

    @property
    def name(self) -> str:
        """As the file calls it."""
        return f"{self._task.name}, {self._policy} x {self._length}"

    @property
    def num_steps(self) -> int:
        """Of each training."""
        return self._length * BASE

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return len(self._found) == RATES + len(AROUND) + (len(SEEDS) - 1) * (1 + len(AROUND))

    def regret(self, lr: float) -> float:
        """Points lost at this rate against the best of the grid, by the half that scores: means over seeds."""
        lrs, scores = zip(*sorted(self._means("score").items()), strict=True)
        return max(scores) - float(np.interp(math.log(lr), np.log(lrs), scores))

    def diverged(self, lr: float) -> bool:
        """Whether nine tenths of what can be learned are lost."""
        return self.regret(lr) > 0.9 * (max(self._means("score").values()) - self._chance)

    @property
    def floor(self) -> float:
        """What the rate loses that the other half of the examples chooses."""
        chosen = self._means("chosen")
        return self.regret(max(chosen, key=lambda lr: chosen[lr]))

    def _means(self, name: str) -> dict[float, float]:
        by_lr: dict[float, list[float]] = {}
        for (lr, _), (last, score) in sorted(self._found.items(), key=lambda item: item[0]):
            by_lr.setdefault(lr, []).append(score if name == "score" or last is None else last)
        return {lr: sum(values) / len(values) for lr, values in by_lr.items()}

    def fill(self) -> None:
        """Train what is missing, and keep the whole grid."""
        lrs = [LOWEST[self._task.optimizer] * 10 ** (index / 2) for index in range(RATES)]
        first = [self._trained(lr, SEEDS[0]) for lr in lrs]
        best = lrs[int(np.argmax(first))]
        around = [best, *(best * 10**decades for decades in AROUND)]
        for seed in SEEDS:
            for lr in around:
                self._trained(lr, seed)
        GRIDS.write(self.name, [[*at, *scores] for at, scores in sorted(self._found.items())])

    def _trained(self, lr: float, seed: int) -> float:
        """The last score of the half that chooses."""
        lr = float(f"{lr:.4g}")
        if (lr, seed) not in self._found:
            seen, score = train(self._task, rates(self._policy, lr, self.num_steps), seed)
            row = {"task": self._task.name, "policy": self._policy, "length": self._length}
            row |= {"lr": lr, "seed": seed, "seen": seen, "score": score}
            self._kept.add(row)
            self._found[lr, seed] = _last(seen), score
        last, _ = self._found[lr, seed]
        return -math.inf if last is None else last


def _last(seen: Sequence[float]) -> float | None:
    """Of a training's looks; None where it broke off before the last."""
    return seen[-1] if len(seen) == LOOKS else None


def fill(tasks: Sequence[Task]) -> None:
    """Train what is missing of these tasks."""
    kept = Kept("budgets")
    for task in tasks:
        if not task.is_here:
            continue
        began = time.process_time()
        for length, policies in SHAPES.items():
            for policy in policies:
                Grid(task, policy, length, kept).fill()
        print(f"{task.name}: {time.process_time() - began:.0f} s", file=sys.stderr, flush=True)
