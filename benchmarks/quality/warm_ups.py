"""`python -m benchmarks.quality.warm_ups`: what it costs to begin at max_lr, without a rise to it.

A cosine from the range test's max_lr for that training to 0, after no warm-up or one of 1, 5 or 20 % of the steps.
Points gained over 5 %, paired over tasks and seeds; the half of the held-out examples that scores.
"""

import math
import statistics
import sys

import torch

from benchmarks.quality.bases import CHOSEN, SEEDS, find, with_error
from benchmarks.quality.grids import BASE, train
from benchmarks.quality.kept import Kept
from benchmarks.quality.tasks import Task

SHARES = (0.0, 0.01, 0.05, 0.2)
USUAL = 0.05
LENGTHS = (1, 4)


def rates(share: float, max_lr: float, num_steps: int) -> list[float]:
    """Of every update."""
    warm = round(share * num_steps)
    fall = num_steps - warm
    rise = [max_lr * (step + 1) / warm for step in range(warm)]
    return rise + [max_lr * (1 + math.cos(math.pi * step / fall)) / 2 for step in range(fall)]


def gained(task: Task, kept: Kept) -> dict[tuple[int, float], float]:
    """Points over the usual share, the mean over seeds, by length and share."""
    bounds = find(task)
    known = {tuple(row["of"]): row["score"] for row in kept}
    found = {}
    for length in LENGTHS:
        max_lr = float(f"{bounds.for_training('sgdr', num_steps=length * BASE).max_lr:.4g}")
        for share in SHARES:
            for seed in SEEDS:
                of = (task.name, length, share, seed, max_lr)
                if of not in known:
                    known[of] = train(task, rates(share, max_lr, length * BASE), seed)[1]
                    kept.add({"of": of, "score": known[of]})
        for share in SHARES:
            found[length, share] = statistics.mean(
                known[task.name, length, share, seed, max_lr] - known[task.name, length, USUAL, seed, max_lr]
                for seed in SEEDS
            )
    return found


def main() -> None:
    """Train what is missing, and print."""
    kept = Kept("warm_ups")
    by_task = []
    for task in CHOSEN:
        by_task.append(gained(task, kept))
        print(task.name, file=sys.stderr, flush=True)
    print(f"{len(by_task)} tasks, {len(SEEDS)} seeds; points over a warm-up of {USUAL:.0%}\n")
    for length, share in by_task[0]:
        if share != USUAL:
            print(
                f"x {length:<3} warm-up of {share:4.0%}: {with_error([one[length, share] for one in by_task])}"
            )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
