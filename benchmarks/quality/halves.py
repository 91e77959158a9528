"""Half of the held-out examples may be chosen on, the other alone scores."""

from dataclasses import replace

from benchmarks.quality.tasks import Task
from clr.problem import Problem


def chooses(problem: Problem) -> Problem:
    """With the half that range tests and searches look at."""
    return _half(problem, 0)


def scores(problem: Problem) -> Problem:
    """With the half that nobody looks at before the end."""
    return _half(problem, 1)


class Halved(Task):
    """A task as a range test sees it."""

    __slots__ = ()

    @classmethod
    def of(cls, task: Task) -> "Halved":
        """Of a whole one."""
        return cls(
            workload=task.workload,
            optimizer=task.optimizer,
            params=task.params,
            batch_size=task.batch_size,
            title=task.title,
        )

    @property
    def name(self) -> str:
        """Another one, so that its sweeps are kept apart."""
        return f"{super().name}, half of the held-out examples"

    def problem(self, seed: int) -> Problem:
        """Ready to train from this seed."""
        return chooses(super().problem(seed))


def _half(problem: Problem, first: int) -> Problem:
    inputs, targets = problem.held_out
    return replace(problem, held_out=(inputs[first::2], targets[first::2]))
