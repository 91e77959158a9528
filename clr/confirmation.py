"""What training says of recommended bounds, as they hold it and the service answers it; clr/verdict.py judges."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from clr.metric import Metric
from clr.records import pick_fields

Outcome = Literal["confirmed", "undecided", "adjusted", "not_possible"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the trainings say. base_lr, max_lr: as recommended, or moved to where training was better.

    outcome: `adjusted` when half or double was better beyond the noise, or ours diverged; `undecided` when one was
    better by a difference that matters and the runs are too few to tell; else `confirmed`. margin: by how much the
    best of the three was better, in the metric; 0 when ours was the best, None when ours diverged.
    """

    outcome: Outcome
    base_lr: float
    max_lr: float
    margin: float | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A contender as it was trained.

    finals: of each seed after the last step, None where the run diverged or learned next to nothing; mean: of the
    others. dropped_after: so many seeds; None where it stayed to the end.
    """

    label: str
    schedule: dict[str, Any]
    seeds: tuple[int, ...]
    finals: tuple[float | None, ...]
    mean: float | None
    dropped_after: int | None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what JSON holds of one."""
        columns = {name: tuple(data[name]) for name in ("seeds", "finals")}
        return cls(**pick_fields(cls, data) | columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The last word of effort thorough: what was trained around the bounds, and what it says of them.

    outcome: as of `Verdict`; `not_possible` where ours diverged and nothing stayed to move to. metric: held out; loss
    where there are no classes. margin: by how much the best cycle was better than the bounds of the range test, in the
    metric; 0 when they were the best, None when they diverged. steps: of all runs.
    """

    outcome: Outcome
    metric: Metric
    margin: float | None
    message: str
    tried: tuple[Tried, ...]
    steps: int

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what JSON holds of one."""
        return cls(**{**pick_fields(cls, data), "tried": tuple(map(Tried.from_dict, data["tried"]))})
