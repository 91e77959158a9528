"""`python -m benchmarks.rivals.fixed_point`: the constants of opponents/of_torch.py, on old tasks alone (minutes).

Each rate's points lost against the best rate of its task and length, in the mean. The one that loses least is frozen.
"""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from statistics import fmean

import torch
from torch import nn

from benchmarks.quality.tasks import TASKS, Task
from benchmarks.rivals.opponents.of_torch import nadam, sgd
from benchmarks.rivals.runs import oppose

WORKLOADS = (
    "digits-logistic",
    "digits-halves",
    "digits-mlp",
    "digits-plain-cnn",
    "mnist5k-bn-mlp",
    "flights-mlp",
)
LENGTHS = (1_400, 5_600)
SEED = 0
RATES: Mapping[Callable[..., nn.Module], tuple[float, ...]] = {
    nadam: (5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2),
    sgd: (5e-3, 1e-2, 2e-2, 5e-2, 1e-1, 2e-1),
}


def old_tasks() -> list[Task]:
    """One of each workload."""
    by_workload = {task.workload: task for task in TASKS}
    return [by_workload[name] for name in WORKLOADS]


def main() -> None:
    """Print a line a rate."""
    for opponent, rates in RATES.items():
        lost: dict[float, list[float]] = {rate: [] for rate in rates}
        for task in old_tasks():
            for num_steps in LENGTHS:
                found = {
                    rate: oppose(task, partial(opponent, lr=rate), num_steps, SEED).chosen for rate in rates
                }
                for rate in rates:
                    lost[rate].append(max(found.values()) - found[rate])
                print(task.name, num_steps, found, file=sys.stderr, flush=True)
        for rate, all_lost in lost.items():
            print(f"{opponent.__name__} {rate:g}: {fmean(all_lost):.2f}, worst {max(all_lost):.1f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
