"""On what is trained, how long, and from which seeds: an hour of a core in all."""

from collections.abc import Mapping
from itertools import chain
from typing import Literal

from benchmarks.quality.tasks import SMALL_FLIGHTS, Task

Family = Literal["SGD", "Adam"]

GROUPS: Mapping[
    str, tuple[Task, ...]
] = {  # whose means are taken together; few had a part in constants of ours
    "SGD": (
        Task(workload="digits-mlp", optimizer="momentum"),
        Task(workload="digits-halves", optimizer="momentum"),
        Task(workload="mnist5k-bn-mlp", optimizer="sgd"),
        Task(workload="digits-logistic", optimizer="momentum"),
        Task(workload="mnist-1000", optimizer="momentum"),
        Task(workload="spoken-150", optimizer="momentum"),
    ),
    "Adam": (
        Task(workload="digits-mlp", optimizer="adam"),
        Task(workload="flights-mlp", optimizer="adam", **SMALL_FLIGHTS),
        Task(workload="digits-deep-mlp", optimizer="adam"),
        Task(workload="digits-halves", optimizer="adamw"),
        Task(workload="digits-100", optimizer="adamw"),
        Task(workload="mnist5k-bn-mlp", optimizer="adamw"),
    ),
    "SGD, a regression that overfits": (Task(workload="halves-200", optimizer="momentum"),),
    "Adam, a regression that overfits": (Task(workload="diabetes-320", optimizer="adam"),),
    "SGD, no perceptrons": (
        Task(workload="spoken-digits-cnn", optimizer="momentum", params={"width": 16}),
        Task(workload="digits-gru", optimizer="momentum"),
    ),
    "Adam, no perceptron": (
        Task(workload="kjv-transformer", optimizer="adamw", params={"width": 32, "depth": 1}),
    ),
}
TASKS = tuple(chain.from_iterable(GROUPS.values()))
EQUAL = (
    1_400,
    5_600,
    22_400,
)  # steps of training: about what a standard range test takes, 4 and 16 times that
BUDGETS = (1_400, 2_800, 5_600, 22_400)  # steps in all, a range test or a search among them
LONGEST = BUDGETS[-1]  # the first seed alone
LONGEST_OF = {  # where a step takes more than 0.3 ms
    "digits-deep-mlp": 5_600,
    "flights-mlp": 5_600,
    "mnist5k-bn-mlp": 5_600,
    "spoken-digits-cnn": 2_800,
    "digits-gru": 2_800,
    "kjv-transformer": 2_800,
}
SEEDS = (100, 101, 102)  # of a training; its range test counts from another one
RANGE_TEST_SEEDS = dict(zip(SEEDS, (0, 10, 20), strict=True))


def family_of(task: Task) -> Family:
    """Whose opponents a task has."""
    return "SGD" if task.optimizer in ("sgd", "momentum") else "Adam"


def longest_of(task: Task) -> int:
    """The most steps that it is trained for."""
    return LONGEST_OF.get(task.workload, LONGEST)


def seeds_of(num_steps: int) -> tuple[int, ...]:
    """Those from which so long a training is made."""
    return SEEDS if num_steps < LONGEST else SEEDS[:1]
