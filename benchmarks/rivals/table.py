"""The tables, as markdown: points lost, on the half that nobody chose on, against the best that any method reached.

The best is a task's alone, the mean over seeds at whatever length, so that columns can be compared with each other.
"""

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence

from benchmarks.rivals.methods import EFFORTS, Row
from benchmarks.rivals.plan import BUDGETS, EQUAL
from benchmarks.rivals.scored import Scored

Column = Callable[[Row], int]  # the length that a row is compared at


def trained(row: Row) -> int:
    """Steps of training alone."""
    return row.trained


def total(row: Row) -> int:
    """Steps in all."""
    return row.total


COMPARISONS: Mapping[str, tuple[Column, Sequence[int]]] = {
    "steps of training": (trained, EQUAL),
    "steps in all": (total, BUDGETS),
}
OURS = ("ours, standard, one_cycle", "ours, quick, one_cycle")
LOST = 0.9  # of what can be learned: it diverged, or overfitted until nothing was left
CLEAR = 0.5  # points between the means of two methods on a task


Tasks = Mapping[str, Scored]  # by name


def losses_table(tasks: Tasks, column: Column, lengths: Sequence[int]) -> Iterator[str]:
    """A row a method: mean / median / worst over tasks and seeds, and how many trainings ended at chance."""
    yield from _head("points lost: mean / median / worst", *(f"{length:,}" for length in lengths))
    for method in methods_of(tasks):
        cells = [_losses(tasks, method, column, length) for length in lengths]
        if any(cells):
            yield _row(method, *cells)


def duels_table(tasks: Tasks, ours: str, column: Column, lengths: Sequence[int]) -> Iterator[str]:
    """A row an opponent: how many points ours is ahead, the mean over tasks and its standard error; tasks won, lost."""
    yield from _head(f"{ours}, ahead of", *(f"{length:,}" for length in lengths))
    for method in methods_of(tasks):
        cells = [_duel(tasks, ours, method, column, length) for length in lengths]
        if any(cells) and not method.startswith("ours"):
            yield _row(method, *cells)


def tasks_table(tasks: Tasks, length: int) -> Iterator[str]:
    """A row a task, a column a method: the mean score over seeds, in points, after so many steps in all."""
    methods = [method for method in methods_of(tasks) if "triangular2" not in method]
    yield from _head(f"points, {length:,} steps in all", *methods)
    for name, scored in tasks.items():
        means = [_mean(_rows(scored, method, total, length)) for method in methods]
        if any(mean is not None for mean in means):
            yield _row(name, *("" if mean is None else f"{mean:.1f}" for mean in means))


def costs_table(tasks: Tasks) -> Iterator[str]:
    """A row an effort: what its range tests took, in the mean."""
    yield from _head("range test", "updates", "looks", "inconclusive")
    for effort in EFFORTS:
        spent = [one for scored in tasks.values() for one in scored.spent[effort]]
        updates = statistics.fmean(one.updates for one in spent)
        looks = statistics.fmean(one.looks for one in spent)
        doubtful = sum(not one.conclusive for one in spent)
        yield _row(effort, f"{updates:.0f}", f"{looks:.0f}", f"{doubtful} of {len(spent)}")


def methods_of(tasks: Tasks) -> list[str]:
    """In the order in which they were found; those of every task."""
    lists = [dict.fromkeys(row.method for row in scored.rows) for scored in tasks.values()]
    return [method for method in lists[0] if all(method in found for found in lists)]


def _losses(tasks: Tasks, method: str, column: Column, length: int) -> str:
    lost, at_chance = [], 0
    for scored in tasks.values():
        best = scored.best
        for row in _rows(scored, method, column, length):
            lost.append(best - row.scored)
            at_chance += not row.finite or lost[-1] > LOST * (best - scored.chance)
    if not lost:
        return ""
    cell = " / ".join(
        f"{_tenths(value):.1f}" for value in (statistics.fmean(lost), statistics.median(lost), max(lost))
    )
    return f"{cell}, {at_chance} of {len(lost)} at chance" if at_chance else cell


def _duel(tasks: Tasks, ours: str, theirs: str, column: Column, length: int) -> str:
    ahead = []
    for scored in tasks.values():
        means = [_mean(_rows(scored, method, column, length)) for method in (ours, theirs)]
        if means[0] is not None and means[1] is not None:
            ahead.append(means[0] - means[1])
    if len(ahead) < 2:
        return ""
    error = statistics.stdev(ahead) / math.sqrt(len(ahead))
    won, lost = sum(by > CLEAR for by in ahead), sum(by < -CLEAR for by in ahead)
    return f"{_tenths(statistics.fmean(ahead)):+.1f} ± {error:.1f}, {won} : {lost}"


def _rows(scored: Scored, method: str, column: Column, length: int) -> list[Row]:
    """Of a method at one length, a seed each; once where two comparisons hold the same training."""
    found = {row.seed: row for row in scored.rows if row.method == method and column(row) == length}
    return list(found.values())


def _tenths(value: float) -> float:
    """No -0.0."""
    return round(value, 1) + 0.0


def _mean(rows: Sequence[Row]) -> float | None:
    return statistics.fmean(row.scored for row in rows) if rows else None


def _head(*cells: str) -> Iterator[str]:
    yield _row(*cells)
    yield _row(*("---" for _ in cells))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
