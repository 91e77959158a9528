"""What was found on a task, as benchmarks/rivals.json holds it."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks.quality.halves import scores
from benchmarks.quality.kept import Committed
from benchmarks.quality.tasks import Task, chance
from benchmarks.rivals.methods import EFFORTS, Row, Spent, rows, tested
from benchmarks.rivals.plan import SEEDS
from benchmarks.rivals.runs import Runs

FILE = Committed(Path(__file__).parent.parent / "rivals.json")


@dataclass(frozen=True, slots=True)
class Scored:
    """The rows of a task, what its range tests took, and the points of the commonest class, or of the mean."""

    chance: float
    spent: Mapping[str, Sequence[Spent]]  # by effort
    rows: Sequence[Row]

    @classmethod
    def measured(cls, task: Task, runs: Runs, longest: int) -> Self:
        """Trains what is missing, up to the longest."""
        spent: dict[str, list[Spent]] = {
            effort: [tested(task, seed, effort).spent for seed in SEEDS] for effort in EFFORTS
        }
        return cls(round(chance(scores(task.problem(SEEDS[0]))), 3), spent, list(rows(task, runs, longest)))

    @classmethod
    def read(cls, task: Task) -> Self | None:
        """As it was kept; None where it was not measured."""
        stored = FILE.read().get(task.name)
        if stored is None:
            return None
        spent = {effort: [Spent(**one) for one in of_effort] for effort, of_effort in stored["spent"].items()}
        found = [Row(method, *values) for method, those in stored["rows"].items() for values in those]
        return cls(stored["chance"], spent, found)

    def keep(self, task: Task) -> None:
        """In the file of the repository."""
        by_method: dict[str, list[tuple[Any, ...]]] = {}
        for row in self.rows:
            by_method.setdefault(row.method, []).append(astuple(row)[1:])
        spent = {effort: [asdict(one) for one in of_effort] for effort, of_effort in self.spent.items()}
        FILE.write(task.name, {"chance": self.chance, "spent": spent, "rows": by_method})

    @property
    def best(self) -> float:
        """The highest mean over all seeds, of any method at any length."""
        found: dict[tuple[str, str, int], dict[int, float]] = {}
        for row in self.rows:  # what a range test leaves of a length differs from seed to seed
            for column, length in (("trained", row.trained), ("total", row.total)):
                found.setdefault((row.method, column, length), {})[row.seed] = row.scored
        seeds = max(map(len, found.values()))
        return max(statistics.fmean(of.values()) for of in found.values() if len(of) == seeds)
