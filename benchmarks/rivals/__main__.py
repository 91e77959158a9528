"""`python -m benchmarks.rivals [--only TASK ...] [--print]`: train what is missing, print the tables of docs/rivals.md.

Every training is kept in CLR_DATA_DIR, and the tables' rows in benchmarks/rivals.json: a stopped run goes on.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence

import torch

from benchmarks.quality.tasks import Task, pick
from benchmarks.rivals.opponents import PACKAGES, load
from benchmarks.rivals.plan import BUDGETS, EQUAL, GROUPS, LONGEST, longest_of
from benchmarks.rivals.runs import Runs
from benchmarks.rivals.scored import Scored
from benchmarks.rivals.table import (
    COMPARISONS,
    OURS,
    Tasks,
    costs_table,
    duels_table,
    losses_table,
    tasks_table,
)


def measure(tasks: Sequence[Task]) -> None:
    """Train what is missing, the longest last."""
    for package in PACKAGES:
        if load(package) is None:
            print(f"{package} is not installed: left out", file=sys.stderr)
    runs, began = Runs(), time.perf_counter()
    todo = [(task, EQUAL[1]) for task in tasks]
    todo += [(task, LONGEST) for task in tasks if longest_of(task) == LONGEST]
    for done, (task, most) in enumerate(todo, start=1):
        Scored.measured(task, runs, most).keep(task)
        spent = time.perf_counter() - began
        told = f"{spent:.0f} s, about {spent / done * (len(todo) - done):.0f} s left"
        print(f"{task.name}, up to {most} steps: {told}", file=sys.stderr, flush=True)


def tables(tasks: Tasks) -> None:
    """Print all of one group's."""
    _print(costs_table(tasks))
    for name, (column, lengths) in COMPARISONS.items():
        print(f"### Equal {name}\n")
        _print(losses_table(tasks, column, lengths))
        for ours in OURS:
            _print(duels_table(tasks, ours, column, lengths))
    for length in BUDGETS:
        _print(tasks_table(tasks, length))


def _print(lines: Iterable[str]) -> None:
    """A table, unless it has but a head."""
    if len(table := list(lines)) > 2:
        print("\n".join(table), end="\n\n", flush=True)


def main() -> None:
    """As the command line says."""
    parser = argparse.ArgumentParser(prog="benchmarks.rivals", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="TASK")
    parser.add_argument("--print", action="store_true", help="the tables of what was trained, and no more")
    given = parser.parse_args()
    torch.set_num_threads(1)
    groups = pick(GROUPS, given.only)
    if not given.print:
        measure([task for tasks in groups.values() for task in tasks if task.is_here])
    for title, asked in groups.items():
        found = {task.name: scored for task in asked if (scored := Scored.read(task)) is not None}
        if found:
            print(f"## {title}: {', '.join(found)}\n")
            tables(found)


if __name__ == "__main__":
    main()
