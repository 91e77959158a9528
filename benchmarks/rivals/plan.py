"""On what is trained, how long, and from which seeds: an hour of a core in all."""

from typing import Literal, get_args

from benchmarks.quality.tasks import SMALL_FLIGHTS, Task

Family = Literal["SGD", "Adam"]
FAMILIES: tuple[Family, ...] = get_args(Family)

TASKS = (  # at most 0.5 ms a step
    Task(workload="digits-mlp", optimizer="momentum"),  # constants of ours were chosen on these four
    Task(workload="digits-halves", optimizer="momentum"),
    Task(workload="digits-mlp", optimizer="adam"),
    Task(workload="flights-mlp", optimizer="adam", **SMALL_FLIGHTS),
    Task(workload="mnist5k-bn-mlp", optimizer="sgd"),  # after these four nothing was changed
    Task(workload="digits-logistic", optimizer="momentum"),
    Task(workload="digits-deep-mlp", optimizer="adam"),
    Task(workload="digits-halves", optimizer="adamw"),
    Task(workload="mnist-1000", optimizer="momentum"),  # few examples
    Task(workload="spoken-150", optimizer="momentum"),
    Task(workload="halves-200", optimizer="momentum"),
    Task(workload="digits-100", optimizer="adamw"),
    Task(workload="diabetes-320", optimizer="adam"),
    Task(workload="mnist5k-bn-mlp", optimizer="adamw"),  # batch normalisation under AdamW is in no other set
)
LONGEST = 22_400  # steps; the first seed alone, and tasks of at most 0.3 ms a step
NOT_SO_LONG = ("digits-deep-mlp", "flights-mlp", "mnist5k-bn-mlp")
EQUAL = (1_400, 5_600, LONGEST)  # of training: about what a standard range test takes, 4 and 16 times that
BUDGETS = (1_400, 2_800, 5_600, LONGEST)  # in all, a range test or a search among them
SEEDS = (100, 101, 102)  # of a training; its range test counts from another one
RANGE_TEST_SEEDS = dict(zip(SEEDS, (0, 10, 20), strict=True))


def family_of(task: Task) -> Family:
    """Whose opponents a task has."""
    return "SGD" if task.optimizer in ("sgd", "momentum") else "Adam"


def is_trained(task: Task, num_steps: int) -> bool:
    """Whether for so long."""
    return num_steps < LONGEST or task.workload not in NOT_SO_LONG


def seeds_of(num_steps: int) -> tuple[int, ...]:
    """Those from which so long a training is made."""
    return SEEDS if num_steps < LONGEST else SEEDS[:1]
