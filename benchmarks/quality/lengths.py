"""Regret against steps: `python -m benchmarks.quality.lengths` prints the table and draws docs/regret.png.

Shorter and longer sweeps of either effort, beside the other finders' rules at 181 steps.
"""

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from matplotlib.figure import Figure

from benchmarks.quality.measuring import Sweeps
from benchmarks.quality.methods import Answer, answers, ours
from benchmarks.quality.oracle import load_oracle
from benchmarks.quality.report import methods_table
from benchmarks.quality.tasks import TASKS, Task
from clr.sweep import Effort

PICTURE = Path(__file__).parents[2] / "docs" / "regret.png"
REPEATS = (0, 10, 20)
LENGTHS: dict[Effort, tuple[int, ...]] = {"quick": (50, 100, 200, 400), "standard": (100, 200, 400)}
RULES = ("valley", "minimum", "slide", "steep")


def of_task(task: Task) -> Iterator[tuple[str, list[Answer]]]:
    """What each effort and length says of a task."""
    sweeps = Sweeps(task)
    for effort, lengths in LENGTHS.items():
        for num_steps in lengths:
            yield (
                f"{effort}, {num_steps}",
                [ours(task, sweeps, seed, effort, num_steps) for seed in REPEATS],
            )


def draw(points: dict[str, tuple[float, float]]) -> None:
    """Mean regret over mean steps; a line for each effort, a dot for each rule."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplots()
    for effort in LENGTHS:
        of_it = [at for name, at in points.items() if name.startswith(effort)]
        axes.plot(*zip(*of_it, strict=True), "o-", label=f"ours, {effort}")
    for rule in RULES:
        axes.plot(*points[rule], "x", color="gray")
        axes.annotate(rule, points[rule], xytext=(6, -3), textcoords="offset points", color="gray")
    axes.set(xscale="log", yscale="log", xlabel="steps of the whole test", ylabel="mean regret, points")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURE, dpi=120)


def main() -> None:
    """Measure what is missing, print, draw."""
    oracles = {
        task.name: oracle for task in TASKS if task.is_here and (oracle := load_oracle(task)) is not None
    }
    found = {}
    for task in TASKS:
        if task.name not in oracles:
            continue
        rules = {name: given[: len(REPEATS)] for name, given in answers(task, Sweeps(task), {}).items()}
        found[task.name] = dict(of_task(task)) | {rule: rules[rule] for rule in RULES}
        print(task.name, file=sys.stderr, flush=True)
    print("\n".join(methods_table(found, oracles)))
    points = {}
    for name in next(iter(found.values())):
        given = [(oracles[task], one) for task, of_it in found.items() for one in of_it[name]]
        regrets = [oracle.regret(one.lr) for oracle, one in given if one.lr is not None]
        points[name] = (statistics.mean(one.steps for _, one in given), statistics.mean(regrets))
    draw(points)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
