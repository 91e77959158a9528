"""The tables of docs/evidence.md: a pure function of the rows of benchmarks/evidence.jsonl.

`python -m benchmarks.evidence_tables` writes them into the page, each between the comments that name it.
"""

import re
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.evidence_plan import (
    ADAPTIVE,
    DECAYS,
    EIGHTHS,
    FIXED,
    FULL,
    OPTIMIZERS,
    PARTLY,
    SGD,
    SHORTENED,
    TASKS,
    WINDOWS,
    Row,
    best_fixed,
    bounds_of,
    fixed_scores,
    grid,
    halved_scores,
    hindsight_scores,
    read_rows,
    scores,
    studies,
)
from benchmarks.evidence_stats import Contrast, paired, spread

PAGE = Path(__file__).parent.parent / "docs" / "evidence.md"
FRACTIONS = {1: "1/8", 2: "1/4", 3: "3/8", 4: "1/2", 8: "1"}
BEST = "best fixed"  # as a schedule: the rate that the other seeds choose
HALVED = "best fixed, by halves"  # the rate that the other half of the held-out examples chooses
HINDSIGHT = "best fixed in hindsight"  # the rate that all seeds choose
OURS = "fixed at constant_lr"
Runs = tuple[str, int]  # schedule, eighths of the full budget


def tables(rows: Sequence[Row]) -> dict[str, str]:
    """Every table by its name."""
    return {
        "machine": machine(rows),
        "bounds": bounds(rows),
        "scores": score_table(rows),
        "grid": grids(rows),
        "budgets": budgets(rows),
        "headline": contrasts(rows, HEADLINE),
        "cycling": contrasts(rows, CYCLING),
        "adaptive": adaptive(rows),
        "windows": contrasts(rows, WINDOWED),
    }


HEADLINE = [((policy, PARTLY), (BEST, FULL)) for policy in SHORTENED]
HEADLINE += [((policy, PARTLY), (BEST, PARTLY)) for policy in SHORTENED]
HEADLINE += [(("triangular2", eighths), (HINDSIGHT, FULL)) for eighths in (PARTLY, FULL)]
HEADLINE += [(("triangular2", FULL), (OURS, FULL)), ((OURS, FULL), (BEST, FULL))]
CYCLING = [
    ((cycled, eighths), (decayed, eighths))
    for cycled, decayed in (
        ("triangular2", "decay"),
        ("exp_range", "exponential_decay"),
        ("triangular2", "step_decay"),
        ("triangular2", "one_cycle"),
    )
    for eighths in (PARTLY, FULL)
]
CYCLING += [((decayed, FULL), (BEST, FULL)) for decayed in ("decay", "exponential_decay", "step_decay")]
WINDOWED = [((policy, FULL), ("triangular", FULL)) for policy in WINDOWS]


def machine(rows: Sequence[Row]) -> str:
    """Where, with what and how long it was measured; a paragraph."""
    packages = ("torch", "numpy", "scipy", "scikit-learn")
    places = [
        f"{row['date']}, {row['cpu']}, {row['cores']} cores, one thread; Python {row['python']}, "
        + ", ".join(f"{name} {row[name]}" for name in packages)
        for row in rows
        if row["kind"] == "machine"
    ]
    number = sum(row["kind"] == "run" for row in rows)
    minutes = sum(row.get("cpu_s", 0.0) for row in rows) / 60
    diverged = sum(row.get("diverged_at") is not None for row in rows)
    told = f"{number:,} training runs, {diverged} of which ended on a loss that was not finite"
    return ". ".join([*places, f"{told}; {minutes:.0f} minutes of one core in all"]) + "."


def bounds(rows: Sequence[Row]) -> str:
    """What the range tests found and cost, and the best fixed rates."""
    head = ["task", "optimizer", "base_lr", "max_lr", "max_lr's interval", "best fixed rate"]
    return _table([*head, "range test's steps", "a full budget's"], _bounds(rows))


def _bounds(rows: Sequence[Row]) -> Iterator[list[str]]:
    for task, optimizer in studies():
        found = bounds_of(rows, task, optimizer)
        assert found is not None
        if found["max_lr"] is None:
            yield [
                task,
                optimizer,
                "-",
                "-",
                f"inconclusive: `{found['why']}`",
                "-",
                f"{found['steps']:,}",
                "-",
            ]
            continue
        low, high = found["max_lr_interval"]
        best = best_fixed(rows, task, optimizer, grid(rows, task, optimizer))
        full = max(row["steps"] for row in rows if row["kind"] == "run" and row["task"] == task)
        rates = [f"{found['base_lr']:.3g}", f"{found['max_lr']:.3g}", f"{low:.3g} to {high:.3g}"]
        chosen = " or ".join(f"{lr:.3g}" for lr in sorted(set(best)))
        yield [task, optimizer, *rates, chosen, f"{found['steps']:,}", f"{full:,}"]


def grids(rows: Sequence[Row]) -> str:
    """Fixed rates with SGD at the full budget: means over the seeds."""
    return _table(["task", "rate: accuracy"], _grids(rows))


def _grids(rows: Sequence[Row]) -> Iterator[list[str]]:
    for task in TASKS:
        rates = grid(rows, task, SGD)
        means = {lr: statistics.fmean(scores(rows, task, SGD, FIXED, FULL, lr)) for lr in rates}
        yield [task, ", ".join(f"{lr:.3g}: {mean:.2f}" for lr, mean in means.items())]


def by_seed(rows: Sequence[Row], task: str, runs: Runs, optimizer: str = SGD) -> list[float]:
    """Scores of a schedule at a budget."""
    name, eighths = runs
    if name == BEST:
        return fixed_scores(rows, task, optimizer, eighths)
    if name in (HALVED, HINDSIGHT):
        known = halved_scores if name == HALVED else hindsight_scores
        return known(rows, task, optimizer) if eighths == FULL else []
    return scores(rows, task, optimizer, FIXED if name == OURS else name, eighths)


def score_table(rows: Sequence[Row]) -> str:
    """Final accuracies at 3/8 and the whole of the budget."""
    head = [f"{task}, {FRACTIONS[eighths]}" for task in TASKS for eighths in (PARTLY, FULL)]
    return _table(["schedule", *head], _scores(rows))


def _scores(rows: Sequence[Row]) -> Iterator[list[str]]:
    for name in (BEST, HALVED, HINDSIGHT, OURS, *SHORTENED, *WINDOWS, *DECAYS):
        cells = []
        for task in TASKS:
            found = [by_seed(rows, task, (name, eighths)) for eighths in (PARTLY, FULL)]
            cells += [spread(sample) if sample else "" for sample in found]
        yield [name, *cells]


def against(rows: Sequence[Row], first: Runs, second: Runs) -> Contrast:
    """The first less the second, with SGD."""
    return Contrast.of(
        {task: paired(by_seed(rows, task, first), by_seed(rows, task, second)) for task in TASKS}
    )


def budgets(rows: Sequence[Row]) -> str:
    """Every shortened schedule less the best fixed rate at the full budget; a + is not inferior."""
    return _table(["schedule", *FRACTIONS.values()], _budgets(rows))


def _budgets(rows: Sequence[Row]) -> Iterator[list[str]]:
    for name in (*SHORTENED, BEST):
        compared = [against(rows, (name, eighths), (BEST, FULL)) for eighths in EIGHTHS]
        yield [name, *(f"{one}{' +' if one.not_inferior else ''}" for one in compared)]


JUDGED = ("points, 95 %", "if tasks were drawn", "by task", "verdict", "power")


def contrasts(rows: Sequence[Row], asked: Sequence[tuple[Runs, Runs]]) -> str:
    """Verdicts on pairs of schedules, with SGD."""
    lines = (
        [f"{_name(first)} less {_name(second)}", *judged(against(rows, first, second))]
        for first, second in asked
    )
    return _table(["compared", *JUDGED], lines)


def _name(runs: Runs) -> str:
    return f"{runs[0]} at {FRACTIONS[runs[1]]}"


def judged(one: Contrast) -> list[str]:
    """Its cells of `JUDGED`."""
    means = ", ".join(f"{mean:+.2f}" for mean in one.by_task.values())
    return [str(one), f"± {one.over_tasks:.2f}", means, one.verdict, f"{one.power:.0%}"]


GAINS = {
    "at 1 less fixed at base_lr": (FULL, "base_lr"),
    "at 1 less best fixed at 1": (FULL, BEST),
    "at 3/8 less best fixed at 1": (PARTLY, BEST),
}


def adaptive(rows: Sequence[Row]) -> str:
    """What `triangular` gains over fixed rates, optimizer by optimizer, and SGD's gain less that of the adaptive."""
    return _table(["triangular with", "tasks", *GAINS], _adaptive(rows))


def _adaptive(rows: Sequence[Row]) -> Iterator[list[str]]:
    gained = {
        words: {optimizer: gains(rows, optimizer, *against) for optimizer in OPTIMIZERS}
        for words, against in GAINS.items()
    }
    for optimizer in OPTIMIZERS:
        yield _gain(optimizer, [gained[words][optimizer] for words in GAINS])
    yield _gain("SGD, less the mean gain of the adaptive", [_gained_less(gained[words]) for words in GAINS])


def _gain(name: str, gained: Sequence[Mapping[str, list[float]]]) -> list[str]:
    """A line of it."""
    found = [Contrast.of(by_task) for by_task in gained if by_task]
    return [name, str(len(gained[0])), *(f"{one}, {one.verdict} ({one.power:.0%})" for one in found)]


def gains(rows: Sequence[Row], optimizer: str, eighths: int, reference: str) -> dict[str, list[float]]:
    """By task and seed, where there are bounds: `triangular` at this budget less a fixed rate at the full one."""
    gained = {}
    for task in (name for name, task in TASKS.items() if optimizer in (SGD, *task.others) and task.others):
        found = bounds_of(rows, task, optimizer)
        if found is None or found["max_lr"] is None:
            continue
        if reference == BEST:
            fixed = fixed_scores(rows, task, optimizer, FULL)
        else:
            fixed = scores(rows, task, optimizer, FIXED, FULL, found[reference])
        gained[task] = paired(scores(rows, task, optimizer, "triangular", eighths), fixed)
    return gained


def _gained_less(gained: Mapping[str, Mapping[str, list[float]]]) -> dict[str, list[float]]:
    """SGD's gains less the mean of the adaptive optimizers', by task and seed."""
    less = {}
    for task, plain in gained[SGD].items():
        others = [gained[optimizer][task] for optimizer in ADAPTIVE if task in gained[optimizer]]
        less[task] = paired(plain, [statistics.fmean(seed) for seed in zip(*others, strict=True)])
    return less


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    body = [f"| {' | '.join(cells)} |" for cells in (head, *lines)]
    return "\n".join([body[0], "|" + "---|" * len(head), *body[1:]])


def inserted(page: str, made: dict[str, str]) -> str:
    """The page with every table in its place: after `<!-- table: NAME -->`, before `<!-- end -->`."""
    for name, table in made.items():
        place = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page, count = place.subn(lambda found, table=table: f"{found[1]}\n{table}\n\n{found[2]}", page)
        assert count == 1, f"the page has {count} places for {name}"
    return page


def rewrite() -> None:
    """Bring the page up to date."""
    PAGE.write_text(inserted(PAGE.read_text(), tables(read_rows())))


if __name__ == "__main__":
    rewrite()
