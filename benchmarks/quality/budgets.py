"""`python -m benchmarks.quality.budgets [--only TASK ...]`: the best max_lr of schedules of 1, 4 and 16 x 320 steps.

Nine rates half a decade apart, then four around the best; the second and third seed at those five alone. One half of
the held-out examples chooses, the other scores. What was trained before is not trained again: whole grids are in
benchmarks/quality_budgets.json.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.quality.kept import Committed, Kept
from benchmarks.quality.measuring import Sweeps
from benchmarks.quality.tasks import (
    FOLKLORE,
    HARD_TASKS,
    OPTIMIZERS,
    SMALL_TASKS,
    TASKS,
    UNSEEN_HARD_TASKS,
    UNSEEN_SMALL_TASKS,
    Task,
    chance,
    points,
)
from clr.analysis import read_bounds
from clr.bounds import Bounds
from clr.momentum import momentum_of
from clr.optimizers import parse_optimizer
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
    halves = [tuple(part[first::2] for part in problem.held_out) for first in (0, 1)]
    chooses, scores = (replace(problem, held_out=half) for half in halves)
    every = len(planned) // LOOKS
    trainer = task.trainer(chooses)
    seen: list[float] = []
    with seeded(seed):
        for step, rate in enumerate(planned, start=1):
            loss = trainer.step(rate)
            if step % every == 0:
                if not math.isfinite(float(loss)):
                    return seen, round(chance(problem), 3)
                seen.append(round(points(chooses, *trainer.evaluate()), 3))
    return seen, round(points(scores, *task.trainer(scores).evaluate()), 3)


class Grid:
    """What was trained of one task under one schedule at one length."""

    def __init__(self, task: Task, policy: str, length: int, kept: Kept) -> None:
        self._task, self._policy, self._length, self._kept = task, policy, length, kept
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
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return len(self._found) == RATES + len(AROUND) + (len(SEEDS) - 1) * (1 + len(AROUND))

    def regret(self, lr: float) -> float:
        """Points lost at this rate against the best of the grid, by the half that scores: means over seeds."""
        lrs, scores = zip(*sorted(self._means("score").items()), strict=True)
        return max(scores) - float(np.interp(math.log(lr), np.log(lrs), scores))

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
            seen, score = train(self._task, rates(self._policy, lr, self._length * BASE), seed)
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


def regrets(task: Task, kept: Kept) -> Iterator[tuple[tuple[str, int], dict[str, float]]]:
    """((policy, length), regret by method) of every test of a task whose grids are complete."""
    grids = {
        (policy, length): Grid(task, policy, length, kept)
        for length, policies in SHAPES.items()
        for policy in policies
    }
    if not all(grid.complete for grid in grids.values()):
        return
    momentum = momentum_of(parse_optimizer(OPTIMIZERS[task.optimizer]).model_dump())
    steps_per_epoch = task.steps_per_epoch(task.problem(0))
    for seed in SEEDS:
        sweeps = Sweeps(task).range_test(seed, "standard")
        bounds = read_bounds(sweeps, steps_per_epoch=steps_per_epoch, momentum=momentum)
        if not isinstance(bounds, Bounds):
            continue
        for (policy, length), grid in grids.items():
            as_found = bounds.constant_lr if policy == "fixed" else bounds.max_lr
            ours = "sgdr" if policy == "cosine" else policy
            rates = bounds.for_training(ours, num_steps=length * BASE)
            yield (
                (policy, length),
                {
                    "the range test's": grid.regret(as_found),
                    "for that training": grid.regret(as_found * rates.max_lr / bounds.max_lr),
                    "plain default": grid.regret(FOLKLORE[task.optimizer]),
                    "floor": grid.floor,
                },
            )


def print_table(title: str, tasks: Sequence[Task]) -> None:
    """Mean, median, worst and the share within a point, by shape, length and method."""
    kept = Kept("budgets")
    found: dict[tuple[str, int], dict[str, list[float]]] = {}
    done = 0
    for task in tasks:
        measured = list(regrets(task, kept)) if task.is_here else []
        done += bool(measured)
        for shape, by_method in measured:
            for method, regret in by_method.items():
                found.setdefault(shape, {}).setdefault(method, []).append(regret)
    print(f"## {title}: {done} tasks, {len(SEEDS)} range tests each; mean / median / worst, within 1 point\n")
    for (policy, length), by_method in found.items():
        cells = [f"{method}: {_summary(lost)}" for method, lost in by_method.items()]
        print(f"{policy} x {length} | {' | '.join(cells)}")
    print()


def _summary(lost: Sequence[float]) -> str:
    within = sum(regret <= 1 for regret in lost) / len(lost)
    return f"{np.mean(lost):.1f} / {np.median(lost):.1f} / {max(lost):.0f}, {within:.0%}"


SETS = {
    "Few examples": SMALL_TASKS,
    "Measured after the constants of the turn were set": UNSEEN_SMALL_TASKS,
    "Those on which the constants of the bounds were chosen": TASKS,
    "Hard ones": HARD_TASKS,
    "Hard ones, measured and left alone": UNSEEN_HARD_TASKS,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks.quality.budgets", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="TASK")
    parser.add_argument("--print", action="store_true", help="the tables of what was trained, and no more")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if not given.print:
        fill([task for tasks in SETS.values() for task in tasks if not given.only or task.name in given.only])
    for title, tasks in SETS.items():
        print_table(title, tasks)
