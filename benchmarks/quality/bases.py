"""`python -m benchmarks.quality.bases`: what base_lr costs, from max_lr / 2 to max_lr / 100, in cyclical training.

max_lr is the range test's for that training; cycles of 160 steps, 2 or 32 of them. Points gained over max_lr / 4,
paired over tasks and seeds; the half of the held-out examples that scores.
"""

import math
import statistics
import sys
from collections.abc import Iterator, Sequence

import torch
from scipy import stats

from benchmarks.quality.grids import BASE, train
from benchmarks.quality.kept import Kept
from benchmarks.quality.measuring import Sweeps
from benchmarks.quality.tasks import OPTIMIZERS, SMALL_TASKS, TASKS, Task
from clr.analysis import read_bounds
from clr.bounds import Bounds
from clr.momentum import momentum_of
from clr.optimizers import parse_optimizer
from clr.policies import parse_schedule

DIVISORS = (2, 4, 10, 30, 100)
USUAL = 4
POLICIES = ("triangular", "triangular2")
LENGTHS = (1, 16)
SEEDS = (100, 101, 102)  # none of them swept
STEP_SIZE = BASE // 4
CHOSEN = tuple(
    task
    for task in (*TASKS, *SMALL_TASKS)
    if task.name
    in {
        "digits-logistic sgd",
        "digits-halves momentum",
        "digits-mlp momentum",
        "digits-mlp adam",
        "digits-plain-cnn momentum",
        "flights-mlp adam",
        "mnist-1000 momentum",
        "mnist-250 adam",
        "diabetes-320 adam",
        "spoken-150 momentum",
    }
)


def find(task: Task) -> Bounds:
    """Of a standard range test."""
    found = read_bounds(
        Sweeps(task).range_test(0, "standard"),
        steps_per_epoch=task.steps_per_epoch(task.problem(0)),
        momentum=momentum_of(parse_optimizer(OPTIMIZERS[task.optimizer]).model_dump()),
    )
    if not isinstance(found, Bounds):
        raise SystemExit(f"{task.name}: {found}")
    return found


def rates(policy: str, base_lr: float, max_lr: float, num_steps: int) -> list[float]:
    """Of every update."""
    schedule = parse_schedule(
        {"policy": policy, "base_lr": base_lr, "max_lr": max_lr, "step_size": STEP_SIZE}
    )
    return [schedule(step) for step in range(num_steps)]


def scores(task: Task, kept: Kept) -> Iterator[tuple[str, int, int, int, float]]:
    """(policy, length, divisor, seed, points) of everything that is trained."""
    bounds = find(task)
    known = {tuple(row["of"]): row["score"] for row in kept}
    for length in LENGTHS:
        for policy in POLICIES:
            max_lr = bounds.for_training(policy, num_steps=length * BASE).max_lr
            for divisor in DIVISORS:
                for seed in SEEDS:
                    of = (task.name, policy, length, divisor, seed, float(f"{max_lr:.4g}"))
                    if of not in known:
                        planned = rates(policy, max_lr / divisor, max_lr, length * BASE)
                        known[of] = train(task, planned, seed)[1]
                        kept.add({"of": of, "score": known[of]})
                    yield policy, length, divisor, seed, known[of]


def gained(scored: Sequence[tuple[str, int, int, int, float]]) -> dict[tuple[str, int, int], float]:
    """Points over max_lr / 4, the mean over seeds, by policy, length and divisor."""
    points = {(policy, length, divisor, seed): score for policy, length, divisor, seed, score in scored}
    return {
        (policy, length, divisor): statistics.mean(
            points[policy, length, divisor, seed] - points[policy, length, USUAL, seed] for seed in SEEDS
        )
        for policy, length, divisor, _ in points
    }


def with_error(found: Sequence[float]) -> str:
    """The mean over tasks with its 95 %, and the ends."""
    error = statistics.stdev(found) / math.sqrt(len(found)) * stats.t.ppf(0.975, len(found) - 1)
    return f"{statistics.mean(found):+.2f} +- {error:.2f}, {min(found):+.1f} to {max(found):+.1f}"


def main() -> None:
    """Train what is missing, and print."""
    kept = Kept("bases")
    by_task = []
    for task in CHOSEN:
        by_task.append(gained(list(scores(task, kept))))
        print(task.name, file=sys.stderr, flush=True)
    print(
        f"{len(by_task)} tasks, {len(SEEDS)} seeds; points over max_lr / {USUAL}: mean and 95 % over tasks\n"
    )
    for policy, length, divisor in by_task[0]:
        if divisor != USUAL:
            found = with_error([one[policy, length, divisor] for one in by_task])
            print(f"{policy:12} x {length:<3} max_lr / {divisor:<4} {found}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
