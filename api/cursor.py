"""Where a follower of a job is, as the id of an event: the job's version, and his position in each run."""

import re
from dataclasses import dataclass, field
from typing import Self

from store.tails import Position

CURSOR = re.compile(r"\d{1,18}(~\d{1,18}(\.\d{1,18}){4})*")
END = "end"  # the id of the last event


@dataclass(frozen=True, slots=True)
class Cursor:
    """version: that the follower knows; -1: none. positions: by (sweep, seed)."""

    version: int = -1
    positions: dict[tuple[int, int], Position] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The cursor that was spelled so; None where it was none of ours."""
        if not CURSOR.fullmatch(text):
            return None
        version, *runs = text.split("~")
        numbers = [[int(number) for number in run.split(".")] for run in runs]
        return cls(int(version), {(sweep, seed): Position(*position) for sweep, seed, *position in numbers})

    def __str__(self) -> str:
        runs = [
            f"{sweep}.{seed}.{position.cuts}.{position.train}.{position.held_out}"
            for (sweep, seed), position in self.positions.items()
        ]
        return "~".join([str(self.version), *runs])
