"""`python -m benchmarks.rivals [--only TASK ...] [--print]`: train what is missing, print the tables of docs/rivals.md.

Every training is kept in CLR_DATA_DIR, and the tables' rows in benchmarks/rivals.json: a stopped run goes on.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence

import torch

from benchmarks.quality.tasks import Task
from benchmarks.rivals.opponents import PACKAGES, load
from benchmarks.rivals.plan import EQUAL, FAMILIES, LONGEST, TASKS, family_of, is_trained
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

SHOWN = EQUAL[1]  # steps in all, of the scores task by task


def measure(tasks: Sequence[Task]) -> None:
    """Train what is missing, the longest last."""
    for package in PACKAGES:
        if load(package) is None:
            print(f"{package} is not installed: left out", file=sys.stderr)
    runs, began = Runs(), time.perf_counter()
    todo = [(task, most) for most in (max(EQUAL[:-1]), LONGEST) for task in tasks if is_trained(task, most)]
    for done, (task, most) in enumerate(todo, start=1):
        Scored.measured(task, runs, most).keep(task)
        spent = time.perf_counter() - began
        told = f"{spent:.0f} s, about {spent / done * (len(todo) - done):.0f} s left"
        print(f"{task.name}, up to {most} steps: {told}", file=sys.stderr, flush=True)


def tables(tasks: Tasks) -> None:
    """Print all of one family's."""
    _print(costs_table(tasks))
    for name, (column, lengths) in COMPARISONS.items():
        print(f"### Equal {name}\n")
        _print(losses_table(tasks, column, lengths))
        for ours in OURS:
            _print(duels_table(tasks, ours, column, lengths))
    _print(tasks_table(tasks, SHOWN))


def _print(lines: Iterable[str]) -> None:
    print("\n".join(lines), end="\n\n", flush=True)


def main() -> None:
    """As the command line says."""
    parser = argparse.ArgumentParser(prog="benchmarks.rivals", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="TASK")
    parser.add_argument("--print", action="store_true", help="the tables of what was trained, and no more")
    given = parser.parse_args()
    torch.set_num_threads(1)
    asked = [task for task in TASKS if not given.only or task.name in given.only]
    if not given.print:
        measure([task for task in asked if task.is_here])
    for family in FAMILIES:
        found = {task.name: Scored.read(task) for task in asked if family_of(task) == family}
        tasks = {name: scored for name, scored in found.items() if scored is not None}
        if tasks:
            print(f"## {family}: {len(tasks)} tasks\n")
            tables(tasks)


if __name__ == "__main__":
    main()
