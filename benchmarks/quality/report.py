"""The tables, as markdown."""

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.quality.methods import REPEATS, Answer
from benchmarks.quality.oracle import Oracle

Answers = Mapping[str, Mapping[str, Sequence[Answer]]]  # by task, then by method
Oracles = Mapping[str, Oracle]


def methods_table(answers: Answers, oracles: Oracles) -> Iterator[str]:
    """A row a method, over all tasks and repeats. Shares are of all answers; regrets of those with a number."""
    yield from _head(
        "method", "mean", "median", "worst", "within 1", "diverged", "none", "spread", "steps", "CPU s"
    )
    for method in next(iter(answers.values())):
        given = [(oracles[task], one) for task, found in answers.items() for one in found[method]]
        regrets = [oracle.regret(one.lr) for oracle, one in given if one.lr is not None]
        gone = sum(one.lr is not None and oracle.diverged(one.lr) for oracle, one in given)
        spreads = [spread for found in answers.values() if (spread := _spread(found[method])) is not None]
        yield _row(
            method,
            f"{statistics.mean(regrets):.2f}",
            f"{statistics.median(regrets):.2f}",
            f"{max(regrets):.1f}",
            _share(sum(regret <= 1 for regret in regrets), len(given)),
            _share(gone, len(given)),
            _share(len(given) - len(regrets), len(given)),
            f"{statistics.mean(spreads):.3f}",
            f"{statistics.mean(one.steps for _, one in given):.0f}",
            f"{statistics.mean(one.seconds for _, one in given):.1f}",
        )


def tasks_table(answers: Answers, oracles: Oracles, method: str) -> Iterator[str]:
    """A row a task: what the oracle says, and every answer of one method with its regret."""
    yield from _head("task", "best", "at", "within 1 point", "max_lr (regret)", "mean", "spread", "steps")
    for task, found in answers.items():
        oracle, given = oracles[task], found[method]
        regrets = [oracle.regret(one.lr) for one in given if one.lr is not None]
        spread = _spread(given)
        low, high = oracle.good()
        yield _row(
            task,
            f"{oracle.best:.1f}",
            f"{oracle.best_lr:.2g}",
            f"{low:.2g} - {high:.2g}",
            ", ".join(_answer(one, oracle) for one in given),
            f"{statistics.mean(regrets):.2f}" if regrets else "",
            "" if spread is None else f"{spread:.3f}",
            f"{statistics.mean(one.steps for one in given):.0f}",
        )


def verdicts_table(verdicts: Mapping[str, Mapping[str, Counter[str]]]) -> Iterator[str]:
    """A row a kind of curve and effort: the share that was called inconclusive, and by which code."""
    yield from _head("curve", "effort", "inconclusive", "verdicts")
    for effort, kinds in verdicts.items():
        for kind, counted in kinds.items():
            total = counted.total()
            said = ", ".join(f"{why} {count}" for why, count in counted.most_common())
            yield _row(kind, effort, _share(total - counted["answered"], total), said)


def _answer(one: Answer, oracle: Oracle) -> str:
    return f"{one.why}" if one.lr is None else f"{one.lr:.3g} ({oracle.regret(one.lr):.1f})"


def _spread(given: Sequence[Answer]) -> float | None:
    """The standard deviation of log10(max_lr) over repeats."""
    logs = [math.log10(one.lr) for one in given if one.lr is not None]
    return statistics.stdev(logs) if 2 * len(logs) > len(REPEATS) else None


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.0f} %"


def _head(*cells: str) -> Iterator[str]:
    yield _row(*cells)
    yield _row(*("---" for _ in cells))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
