"""`python -m benchmarks.quality [--only TASK ...] [--finder MODULE:FUNCTION]`: train the oracle, print the tables.

What was measured before is not measured again; two processes with different tasks share the work. A finder is any
f(lrs, losses) -> lr or (base_lr, max_lr), lists of floats of one exponential sweep; docs/benchmark.md.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module

import torch

from benchmarks.quality.measuring import Sweeps
from benchmarks.quality.methods import OURS, REPEATS, Finder, answers
from benchmarks.quality.oracle import GRID, SEEDS, load_oracle, train_oracle
from benchmarks.quality.packages import package_answers
from benchmarks.quality.report import methods_table, tasks_table, verdicts_table
from benchmarks.quality.tasks import FINE_TUNING_TASKS, MORE_TASKS, TASKS, UNSEEN_TASKS, Task, pick
from benchmarks.quality.verdicts import verdicts

SETS = {
    "Tasks on which constants were chosen": TASKS,
    "Tasks that led to changes of the plan": MORE_TASKS,
    "Tasks after which nothing was changed": UNSEEN_TASKS,
    "Fine-tuning": FINE_TUNING_TASKS,
}


def measure(task: Task) -> None:
    """Everything that the tables need of a task."""
    started = time.perf_counter()
    train_oracle(task)
    sweeps = Sweeps(task)
    for seed in REPEATS:
        for effort in OURS:
            sweeps.range_test(seed, effort)
    package_answers(task)
    print(f"{task.name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)


def tables(tasks: Sequence[Task], finders: Mapping[str, Finder]) -> None:
    """Print them for the tasks whose oracle is there."""
    oracles = {task.name: oracle for task in tasks if (oracle := load_oracle(task)) is not None}
    found = {
        task.name: answers(task, Sweeps(task), finders) | package_answers(task)
        for task in tasks
        if task.name in oracles
    }
    print(
        f"{len(found)} tasks, {len(REPEATS)} repeats; regret in points against the best of {GRID} rates, "
        f"up to {len(SEEDS)} seeds each; none: no answer\n"
    )
    _print(methods_table(found, oracles))
    for effort in OURS:
        print(f"Ours, {effort}\n")
        _print(tasks_table(found, oracles, f"ours, {effort}"))


def load_finder(name: str) -> Finder:
    """A function by MODULE:FUNCTION; ends the program where there is none."""
    module, _, function = name.partition(":")
    try:
        finder: Finder = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise SystemExit(f"--finder {name}: must be MODULE:FUNCTION, importable from here: {error}") from None
    return finder


def _print(lines: Iterable[str]) -> None:
    print("\n".join(lines), end="\n\n", flush=True)


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.quality", description="how good the recommended max_lr is"
    )
    parser.add_argument("--only", nargs="+", metavar="TASK", help="these tasks, as the tables call them")
    parser.add_argument(
        "--finder",
        action="append",
        default=[],
        metavar="MODULE:FUNCTION",
        help="one more row: f(lrs, losses) -> lr or (base_lr, max_lr), as mine:find; may be given again",
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--measure", action="store_true", help="measure, but print no tables")
    either.add_argument("--print", action="store_true", help="the tables of the tasks with a finished oracle")
    return parser.parse_args()


if __name__ == "__main__":
    torch.set_num_threads(1)
    given = arguments()
    finders = {name: load_finder(name) for name in given.finder}
    sets = pick(SETS, given.only)
    for task in [] if given.print else [task for tasks in sets.values() for task in tasks]:
        if task.is_here:
            measure(task)
        else:
            print(f"{task.name}: left out, its data is not on this machine", file=sys.stderr)
    for title, tasks in () if given.measure else sets.items():
        if tasks:
            print(f"## {title}\n")
            tables(tasks, finders)
    if not given.measure:
        _print(verdicts_table({effort: verdicts(effort) for effort in OURS}))
