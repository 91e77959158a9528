"""What training says of recommended bounds, as they hold it and the service answers it; clr/climb.py and
clr/verdict.py judge."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from clr.confirmation_budget import LONGEST, NUM_STEPS
from clr.metric import Metric
from clr.records import pick_fields

ALIKE = 4  # times as long or as short: trainings that want the same factor
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
    others.
    """

    label: str
    schedule: dict[str, Any]
    seeds: tuple[int, ...]
    finals: tuple[float | None, ...]
    mean: float | None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what JSON holds of one."""
        columns = {name: tuple(data[name]) for name in ("seeds", "finals")}
        return cls(**pick_fields(cls, data) | columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The last word of effort thorough: what was trained around the rates, and what it says of them.

    outcome: `adjusted` when training was best elsewhere; `not_possible` where all diverged; else `confirmed`. metric:
    held out; loss where there are no classes. margin: by how much the best was better than ours, in the metric; 0 when
    ours was the best, None when it diverged. steps: of all trainings. num_steps: of each. factor: what is best, of
    what the range test said. policy: of the training that was told, whose rates it moves; None where it moved the
    bounds. Of old, up to five contenders with up to four seeds, and `undecided` where they were too few to tell.
    """

    outcome: Outcome
    metric: Metric
    margin: float | None
    message: str
    tried: tuple[Tried, ...]
    steps: int
    policy: str | None = None
    num_steps: int = NUM_STEPS
    factor: float = 1.0

    def settles(self, policy: str, num_steps: int) -> bool:
        """Whether it tells the rates for such a training: of a length within four times those it trained, or longer
        where they were as long as any."""
        if self.policy != policy or self.outcome == "not_possible":
            return False
        times = num_steps / self.num_steps
        return times >= 1 / ALIKE and (times <= ALIKE or self.num_steps >= LONGEST)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what JSON holds of one."""
        return cls(**{**pick_fields(cls, data), "tried": tuple(map(Tried.from_dict, data["tried"]))})
