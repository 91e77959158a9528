"""What a task's tables are made of: the score of every method, length and seed, with what it took in all.

A look at the held-out examples counts as a step. Where a range test is inconclusive, the plain default is trained.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.quality.halves import Halved
from benchmarks.quality.measuring import Sweeps
from benchmarks.quality.tasks import FOLKLORE, OPTIMIZERS, Task
from benchmarks.rivals.opponents import opponents
from benchmarks.rivals.plan import BUDGETS, EQUAL, RANGE_TEST_SEEDS, family_of, longest_of, seeds_of
from benchmarks.rivals.runs import COSINE, Result, Runs
from clr.analysis import read_bounds
from clr.bounds import Bounds
from clr.momentum import momentum_of
from clr.optimizers import parse_optimizer
from clr.probe import plan_probe
from clr.sweep import Effort, Sweep, SweepPlan

EFFORTS: tuple[Effort, ...] = ("standard", "quick")
POLICIES = ("one_cycle", COSINE, "triangular2")
CONSTANTS = {"SGD": (0.01, 0.1), "Adam": (1e-3,)}
LOWEST, HIGHEST, DIVISOR = 1e-5, 1.0, 4  # of a random search's max_lr, and max_lr / base_lr
SHORT, SHORT_STEPS = 8, 175  # trainings before the one that counts: together about a standard range test
WHOLE = 4  # trainings, the best of which counts
FEWEST = 100  # steps that must be left after a range test or a search


@dataclass(frozen=True, slots=True)
class Row:
    """One training as it is judged. total: with all that was spent to choose it, in steps."""

    method: str
    trained: int
    total: int
    seed: int
    scored: float
    finite: bool


@dataclass(frozen=True, slots=True)
class Spent:
    """What a range test took; conclusive: whether it found bounds."""

    updates: int
    looks: int
    conclusive: bool

    @property
    def steps(self) -> int:
        """In all."""
        return self.updates + self.looks


@dataclass(frozen=True, slots=True)
class Tested:
    """What a range test said, None where nothing, and what it took. measure: one more sweep, then reads them all."""

    bounds: Bounds | None
    spent: Spent
    measure: Callable[[SweepPlan], "Tested"]

    def probed(self, policy: str, num_steps: int) -> "Tested":
        """After the probes that are due for so long a training."""
        if self.bounds is None:
            return self
        plan = plan_probe(self.bounds, "sgdr" if policy == COSINE else policy, num_steps=num_steps)
        return self if plan is None else self.measure(plan).probed(policy, num_steps)

    def schedule(self, policy: str, num_steps: int, task: Task) -> dict[str, Any]:
        """For so long a training."""
        if self.bounds is None:
            return constant(FOLKLORE[task.optimizer])
        if policy != COSINE:
            return self.bounds.schedule(policy, num_steps=num_steps).model_dump(mode="json")
        return {"policy": COSINE, "max_lr": self.bounds.for_training("sgdr", num_steps=num_steps).max_lr}


def tested(task: Task, seed: int, effort: Effort) -> Tested:
    """Our range test for the training of this seed; it looks at one half of the held-out examples."""
    kept = Sweeps(Halved.of(task))
    optimizer = parse_optimizer(OPTIMIZERS[task.optimizer])
    steps_per_epoch = task.steps_per_epoch(task.problem(seed))

    def read(sweeps: Sequence[Sweep]) -> Tested:
        bounds = read_bounds(
            sweeps,
            steps_per_epoch=steps_per_epoch,
            optimizer=optimizer.name,
            momentum=momentum_of(optimizer.model_dump()),
        )
        spent = Spent(
            updates=sum(len(sweep.points) for sweep in sweeps),
            looks=sum(len(sweep.held_out) for sweep in sweeps),
            conclusive=bool(bounds),
        )
        found = bounds if isinstance(bounds, Bounds) else None
        return Tested(found, spent, lambda plan: read([*sweeps, kept.measure(plan)]))

    return read(kept.range_test(RANGE_TEST_SEEDS[seed], effort))


def rows(task: Task, runs: Runs, longest: int) -> Iterator[Row]:
    """Of all methods, up to the longest training; trains what is missing."""
    for total in (length for length in BUDGETS if length <= min(longest, longest_of(task))):
        for seed in seeds_of(total):
            yield from _opposed(task, runs, total, seed)
            yield _searched_whole(task, runs, total, seed)
            yield from _ours(task, runs, seed, in_all=total)
            yield from _searched_short(task, runs, seed, in_all=total)
    for num_steps in (length for length in EQUAL if length <= min(longest, longest_of(task))):
        for seed in seeds_of(num_steps):
            yield from _ours(task, runs, seed, training=num_steps)
            yield from _searched_short(task, runs, seed, training=num_steps)


def constant(lr: float) -> dict[str, Any]:
    """A schedule that is none."""
    return {"policy": "fixed", "lr": lr}


def _opposed(task: Task, runs: Runs, num_steps: int, seed: int) -> Iterator[Row]:
    """Each package's, and the task's own optimizer at plain rates."""
    for name, opponent in opponents(family_of(task)).items():
        result = runs.opposed(task, name, opponent, num_steps, seed)
        yield _row(name, result, num_steps, num_steps, seed)
    for lr in CONSTANTS[family_of(task)]:
        result = runs.scheduled(task, constant(lr), num_steps, seed)
        yield _row(f"constant {lr:g}", result, num_steps, num_steps, seed)


def _ours(
    task: Task, runs: Runs, seed: int, *, training: int | None = None, in_all: int = 0
) -> Iterator[Row]:
    """Bounds of a range test, under each policy; training None: what the test leaves of `in_all`."""
    for effort in EFFORTS:
        test = tested(task, seed, effort)
        left = in_all - test.spent.steps if training is None else training
        for policy in POLICIES if left >= FEWEST else ():
            probed = test.probed(policy, left)
            steps = in_all - probed.spent.steps if training is None else training
            if steps >= FEWEST:
                result = runs.scheduled(task, probed.schedule(policy, steps, task), steps, seed)
                yield _row(f"ours, {effort}, {policy}", result, steps, steps + probed.spent.steps, seed)


def _searched_short(
    task: Task, runs: Runs, seed: int, *, training: int | None = None, in_all: int = 0
) -> Iterator[Row]:
    """Random rates for as many steps as a range test has, and then the training at the best of them; as `_ours`."""
    spent = SHORT * (SHORT_STEPS + 1)
    left = in_all - spent if training is None else training
    if left < FEWEST:
        return
    best = _best(task, runs, seed, SHORT, SHORT_STEPS)[0]
    result = runs.scheduled(task, one_cycle(best, left), left, seed)
    yield _row(f"random search, {SHORT} x {SHORT_STEPS} steps first", result, left, left + spent, seed)


def _searched_whole(task: Task, runs: Runs, total: int, seed: int) -> Row:
    """Random rates, each trained to its end."""
    each = total // WHOLE - 1
    return _row(f"random search, best of {WHOLE}", _best(task, runs, seed, WHOLE, each)[1], each, total, seed)


def _best(task: Task, runs: Runs, seed: int, count: int, num_steps: int) -> tuple[float, Result]:
    """Of so many random rates, by the half that chooses, after a look at each."""
    tried = [
        (lr, runs.scheduled(task, one_cycle(lr, num_steps), num_steps, seed))
        for lr in drawn(task, seed, count)
    ]
    return max(tried, key=lambda one: one[1].chosen if one[1].finite else -math.inf)


def drawn(task: Task, seed: int, count: int) -> list[float]:
    """Rates, uniform over their logarithm."""
    source = random.Random(f"{task.name} {seed}")
    low, high = math.log(LOWEST), math.log(HIGHEST)
    return [float(f"{math.exp(source.uniform(low, high)):.4g}") for _ in range(count)]


def one_cycle(max_lr: float, num_steps: int) -> Mapping[str, Any]:
    """What a rate of a random search is trained under."""
    return {"policy": "one_cycle", "base_lr": max_lr / DIVISOR, "max_lr": max_lr, "num_steps": num_steps}


def _row(method: str, result: Result, trained: int, total: int, seed: int) -> Row:
    return Row(method, trained, total, seed, result.scored, result.finite)
