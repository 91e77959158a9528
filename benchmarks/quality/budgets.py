"""`python -m benchmarks.quality.budgets [--only TASK ...]`: points lost by schedule and length, once grids are trained.

A table a set of tasks and its rows by who answers: the range test's rates as they are, those that it tells for that
training, other packages' rules on the scout, a plain default, and the floor, which is what the oracle's own choice
loses on the examples that score. Those are looked at by neither range tests nor the choice.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.quality.confirming import Trainings
from benchmarks.quality.grids import BASE, SEEDS, SHAPES, Grid, fill
from benchmarks.quality.halves import Halved, scores
from benchmarks.quality.kept import Kept
from benchmarks.quality.measuring import Sweeps
from benchmarks.quality.tasks import (
    ASIDE_TASKS,
    FOLKLORE,
    FRESH_TASKS,
    HARD_TASKS,
    MUON_TASKS,
    OPTIMIZERS,
    RESERVE_TASKS,
    SMALL_TASKS,
    TASKS,
    UNSEEN_HARD_TASKS,
    UNSEEN_SMALL_TASKS,
    Task,
    pick,
)
from clr.analysis import read_bounds
from clr.bounds import Bounds
from clr.candidate import Candidate
from clr.finders import list_candidates
from clr.momentum import momentum_of
from clr.optimizers import parse_optimizer
from clr.probe import plan_probe
from clr.sweep import Effort, Sweep

EFFORTS: tuple[Effort, ...] = ("standard", "quick")
RULES = ("minimum", "valley", "slide", "torch_lr_finder", "lightning")  # as clr/finders.py names them
POLICIES = {"cosine": "sgdr"}  # as the product calls them; else alike
DRAWS = 2000  # of the bootstrap over tasks

SETS = {
    "Few examples": SMALL_TASKS,
    "Measured after the constants of the turn were set": UNSEEN_SMALL_TASKS,
    "Those on which the constants of the bounds were chosen": TASKS,
    "Hard ones": HARD_TASKS,
    "More hard ones": UNSEEN_HARD_TASKS,
    "Fresh ones": FRESH_TASKS,
    "Kept aside, measured last": ASIDE_TASKS,
    "Reserved, measured after the confirmation": RESERVE_TASKS,
    "With Muon, after them": MUON_TASKS,
}


@dataclass(frozen=True, slots=True)
class Lost:
    """By one answer to one task. points: None where there was no answer. held: whether the interval of max_lr holds a
    rate within 0.3 points of the floor; None where that was not asked."""

    points: float | None
    diverged: bool = False
    held: bool | None = None
    steps: int = 0


class Tests:
    """The range tests of one task, read for a training; they look at the half of the held-out examples that chooses."""

    def __init__(self, task: Task) -> None:
        self._sweeps, self._trainings = Sweeps(Halved.of(task)), Trainings(Halved.of(task))
        self._momentum = momentum_of(parse_optimizer(OPTIMIZERS[task.optimizer]).model_dump())
        self._steps_per_epoch = task.steps_per_epoch(task.problem(0))

    def read(self, seed: int, effort: Effort, policy: str, num_steps: int) -> Bounds | None:
        """The bounds, after the probes that are due; None where there are none."""
        sweeps = self._sweeps.range_test(seed, effort)
        found = self._read(sweeps)
        while (
            isinstance(found, Bounds) and (plan := plan_probe(found, policy, num_steps=num_steps)) is not None
        ):
            sweeps = [*sweeps, self._sweeps.measure(plan)]
            found = self._read(sweeps)
        return found if isinstance(found, Bounds) else None

    def confirm(self, bounds: Bounds, seed: int, policy: str, num_steps: int) -> Bounds:
        """The same after the trainings that a thorough test adds."""
        return self._trainings.confirm(bounds, {"policy": policy, "num_steps": num_steps}, seed=seed)

    def others(self, seed: int) -> list[Candidate]:
        """What `RULES` read off the scout, which is a quick test."""
        found = list_candidates(self._sweeps.range_test(seed, "quick"))
        return [candidate for candidate in found if candidate.name in RULES]

    def _read(self, sweeps: Sequence[Sweep]) -> Any:
        return read_bounds(sweeps, steps_per_epoch=self._steps_per_epoch, momentum=self._momentum)


def losses(task: Task, kept: Kept) -> Iterator[tuple[tuple[str, int], str, Lost]]:
    """((policy, length), who answers, what that loses) for every test of a task whose grids are complete."""
    grids = {
        (policy, length): Grid(task, policy, length, kept)
        for length, policies in SHAPES.items()
        for policy in policies
    }
    if not all(grid.complete for grid in grids.values()):
        return
    tests = Tests(task)
    others = [other for seed in SEEDS for other in tests.others(seed)]
    for shape, grid in grids.items():
        policy, length = shape
        yield shape, "floor", Lost(grid.floor)
        yield shape, "plain default", _lost(grid, FOLKLORE[task.optimizer])
        for other in others:
            yield shape, other.name, Lost(None) if other.lr is None else _lost(grid, other.lr)
        for effort in EFFORTS:
            for seed in SEEDS:
                bounds = tests.read(seed, effort, ours := POLICIES.get(policy, policy), length * BASE)
                if bounds is None:
                    yield shape, f"{effort}, for that training", Lost(None)
                    continue
                as_found = bounds.constant_lr if policy == "fixed" else bounds.max_lr
                yield shape, f"{effort}, as it is", _lost(grid, as_found)
                yield shape, f"{effort}, for that training", _lost_by(grid, bounds, ours)
                if effort == "standard":
                    confirmed = tests.confirm(bounds, seed, ours, length * BASE)
                    yield shape, "thorough, for that training", _lost_by(grid, confirmed, ours)


def _lost_by(grid: Grid, bounds: Bounds, policy: str) -> Lost:
    """By the rates that these bounds tell for the training of the grid."""
    rates = bounds.for_training(policy, num_steps=grid.num_steps)
    lr = rates.constant_lr if policy == "fixed" else rates.max_lr
    steps = sum(len(sweep.points) for sweep in bounds.sweeps)
    if bounds.confirmation is not None:
        steps += bounds.confirmation.num_steps * len(bounds.confirmation.tried)
    held = None if policy == "fixed" else _holds(grid, rates.max_lr_interval)
    return _lost(grid, lr, held=held, steps=steps)


def _lost(grid: Grid, lr: float, *, held: bool | None = None, steps: int = 0) -> Lost:
    return Lost(grid.regret(lr), grid.diverged(lr), held, steps)


def _holds(grid: Grid, interval: tuple[float, float]) -> bool:
    return min(map(grid.regret, np.geomspace(*interval, 21))) <= 0.3 + grid.floor


def print_table(title: str, tasks: Sequence[Task]) -> None:
    """Mean with its 95 % over tasks, median, worst, the shares within a point, diverged and unanswered."""
    kept = Kept("budgets")
    found: dict[tuple[str, int], dict[str, dict[str, list[Lost]]]] = defaultdict(lambda: defaultdict(dict))
    for task in tasks:
        for shape, method, lost in losses(task, kept) if task.is_here else ():
            found[shape][method].setdefault(task.name, []).append(lost)
    done = max((len(by_task) for methods in found.values() for by_task in methods.values()), default=0)
    print(f"## {title}: {done} of {len(tasks)} tasks, {len(SEEDS)} range tests each")
    print(f"{_fewest(tasks)} examples score at the fewest\n")
    for (policy, length), methods in found.items():
        print(f"{policy} x {length}")
        for method, by_task in methods.items():
            print(f"  {method:28} {_summary(by_task)}")
    print()


def _fewest(tasks: Sequence[Task]) -> int:
    """Examples that score one of the tasks whose data is here."""
    return min((len(scores(task.problem(0)).held_out[1]) for task in tasks if task.is_here), default=0)


def _summary(by_task: Mapping[str, Sequence[Lost]]) -> str:
    answers = [lost for found in by_task.values() for lost in found]
    points = [lost.points for lost in answers if lost.points is not None]
    means = [
        np.mean([lost.points for lost in found if lost.points is not None])
        for found in by_task.values()
        if any(lost.points is not None for lost in found)
    ]
    random = np.random.default_rng(0)
    drawn = [np.mean(random.choice(means, len(means))) for _ in range(DRAWS)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    held = [lost.held for lost in answers if lost.held is not None]
    parts = [
        f"mean {np.mean(means):.2f} ({low:.2f} to {high:.2f})",
        f"median {np.median(points):.2f}",
        f"worst {max(points):.1f}",
        f"within 1: {sum(lost <= 1 for lost in points) / len(points):.0%}",
        f"diverged {sum(lost.diverged for lost in answers)}",
        f"none {len(answers) - len(points)} of {len(answers)}",
    ]
    if held:
        parts.append(f"interval holds {sum(held) / len(held):.0%}")
    if steps := [lost.steps for lost in answers if lost.steps]:
        parts.append(f"{np.mean(steps):.0f} steps")
    return ", ".join(parts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks.quality.budgets", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="TASK")
    parser.add_argument("--print", action="store_true", help="the tables of what was trained, and no more")
    given = parser.parse_args()
    torch.set_num_threads(1)
    sets = pick(SETS, given.only)
    if not given.print:
        fill([task for tasks in sets.values() for task in tasks])
    for title, tasks in sets.items():
        if tasks:
            print_table(title, tasks)
