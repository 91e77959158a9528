"""One training: by an opponent, or by a schedule under the task's own optimizer. Kept, so that none is made twice."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import nn

from benchmarks.quality.grids import rates
from benchmarks.quality.halves import chooses, scores
from benchmarks.quality.kept import Kept
from benchmarks.quality.tasks import OPTIMIZERS, Task, chance, points
from benchmarks.rivals.opponents import CHECK_EVERY, Diverged, Opponent, Training
from clr.optimizers import parse_optimizer
from clr.policies import parse_schedule
from clr.problem import Problem
from clr.training.seeding import seeded

COSINE = "cosine"  # after a warm-up: {"policy": "cosine", "max_lr"} as budgets has it, no policy of ours


@dataclass(frozen=True, slots=True)
class Result:
    """Points at the end, on the half that chooses and on the other; chance and `finite` false where it broke off."""

    chosen: float
    scored: float
    finite: bool = True


class Runs:
    """What was trained, by task, how, length and seed. A rate that changes is another training."""

    def __init__(self) -> None:
        self._kept = Kept("rivals")
        self._known = {row["key"]: Result(**row["result"]) for row in self._kept}

    def opposed(self, task: Task, name: str, opponent: Opponent, num_steps: int, seed: int) -> Result:
        """By an opponent of this name and version."""
        key = _key(task, name, num_steps, seed)
        if key not in self._known:
            self._add(key, time.process_time(), oppose(task, opponent, num_steps, seed))
        return self._known[key]

    def scheduled(self, task: Task, schedule: Mapping[str, Any], num_steps: int, seed: int) -> Result:
        """By the task's optimizer under this schedule."""
        key = _key(task, schedule, num_steps, seed)
        if key not in self._known:
            self._add(key, time.process_time(), follow(task, schedule, num_steps, seed))
        return self._known[key]

    def _add(self, key: str, began: float, result: Result) -> None:
        seconds = round(time.process_time() - began, 3)
        self._kept.add({"key": key, "result": asdict(result), "seconds": seconds})
        self._known[key] = result


def oppose(task: Task, opponent: Opponent, num_steps: int, seed: int) -> Result:
    """Train and judge."""
    problem = task.problem(seed)
    weight_decay = parse_optimizer(OPTIMIZERS[task.optimizer]).weight_decay
    with seeded(seed):
        try:
            model = opponent(Training(problem, num_steps, weight_decay))
        except Diverged:
            return _broken_off(problem)
    return _judge(task, problem, model)


def follow(task: Task, schedule: Mapping[str, Any], num_steps: int, seed: int) -> Result:
    """Train and judge."""
    problem = task.problem(seed)
    trainer = task.trainer(problem)
    with seeded(seed):
        for step, rate in enumerate(_rates(schedule, num_steps), start=1):
            loss = trainer.step(rate)
            if (step % CHECK_EVERY == 0 or step == num_steps) and not math.isfinite(loss.item()):
                return _broken_off(problem)
    return _judge(task, problem, problem.model)


def _rates(schedule: Mapping[str, Any], num_steps: int) -> list[float]:
    if schedule["policy"] == COSINE:
        return rates(COSINE, schedule["max_lr"], num_steps)
    return list(map(parse_schedule(dict(schedule)), range(num_steps)))


def _judge(task: Task, problem: Problem, model: nn.Module) -> Result:
    trained = replace(problem, model=model)
    chosen, scored = (
        round(points(half, *task.trainer(half).evaluate()), 3) for half in (chooses(trained), scores(trained))
    )
    return Result(chosen, scored)


def _broken_off(problem: Problem) -> Result:
    return Result(round(chance(chooses(problem)), 3), round(chance(scores(problem)), 3), finite=False)


def _key(task: Task, how: Mapping[str, Any] | str, num_steps: int, seed: int) -> str:
    return json.dumps([task.name, how, num_steps, seed])
