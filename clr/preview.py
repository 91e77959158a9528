"""A schedule at some of its steps, without training: what a preview answers, prints and draws."""

from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel

from clr.policies import Schedule


class Preview(BaseModel):
    """A schedule at some steps, column by column; cycle and x are None where a policy has no cycles."""

    step: list[int]
    lr: list[float]
    cycle: list[int | None]
    x: list[float | None]

    @classmethod
    def of(cls, schedule: Schedule, steps: Iterable[int]) -> Self:
        """What the schedule is at these steps."""
        step = list(steps)
        phases = [schedule.phase(index) or (None, None) for index in step]
        return cls(
            step=step,
            lr=[schedule(index) for index in step],
            cycle=[cycle for cycle, _ in phases],
            x=[x for _, x in phases],
        )
