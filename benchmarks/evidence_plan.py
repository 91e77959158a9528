"""Which runs docs/evidence.md rests on: a pure function of what was measured, free of torch.

A row is a line of benchmarks/evidence.jsonl: of kind `bounds` a range test, of kind `run` a training run.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Case = tuple[
    str, float | None, int
]  # policy, lr of a `fixed` rate (None: the service's), eighths of the full budget

RAW = Path(__file__).with_name("evidence.jsonl")
RANGE_TEST_SEED = 100  # and the two after it: none that is trained with
FULL = 8
EIGHTHS = (1, 2, 3, 4, FULL)
PARTLY = 3  # eighths: nearest to the paper's 25,000 of 70,000 steps
SGD = "SGD"
OPTIMIZERS: dict[str, dict[str, Any]] = {
    SGD: {"name": "SGD", "momentum": 0.9},
    "Nesterov": {"name": "SGD", "momentum": 0.9, "nesterov": True},
    "Adam": {"name": "Adam"},
    "RMSprop": {"name": "RMSprop"},
    "Adagrad": {"name": "Adagrad"},
    "Adadelta": {"name": "Adadelta"},
}
ADAPTIVE = ("Adam", "RMSprop", "Adagrad", "Adadelta")
FIXED = "fixed"
SHORTENED = ("triangular2", "triangular", "one_cycle")
DECAYS = ("exp_range", "exponential_decay", "step_decay", "decay")
WINDOWS = ("welch", "hann")
OFFSETS = range(-2, 2)  # half decades around constant_lr, more below or above while the best is the last
FARTHEST = 6  # of them either way


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A workload as it is trained here. epochs: of a full budget. others: optimizers beside SGD."""

    name: str
    epochs: int
    params: Mapping[str, Any] = field(default_factory=dict)
    others: tuple[str, ...] = ()


TASKS = {
    task.name: task
    for task in (
        Task(name="digits-mlp", epochs=160, others=("Nesterov", *ADAPTIVE)),
        Task(name="mnist5k-bn-mlp", epochs=80, others=ADAPTIVE[:2]),
        Task(name="fashion8k-bn-mlp", epochs=80),
        Task(name="spoken-digits-cnn", epochs=64, params={"width": 8}),
    )
}


def num_seeds(optimizer: str) -> int:
    """From 0; fewer where there are many optimizers."""
    return 5 if optimizer == SGD else 3


def read_rows(file: Path = RAW) -> list[Row]:
    """What was measured so far, in that order."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines()]


def studies() -> Iterator[tuple[str, str]]:
    """(task, optimizer) in the order they are measured."""
    for name in TASKS:
        yield name, SGD
    for name, task in TASKS.items():
        yield from ((name, optimizer) for optimizer in task.others)


def wanted(task: str, optimizer: str, rows: Sequence[Row]) -> list[Row]:
    """What this study consists of, as far as it is known yet: a range test first, then runs, each without its result.

    Fixed rates are shortened once the best are known. Nothing follows from a range test without bounds.
    """
    about = {"task": task, "optimizer": optimizer}
    bounds = bounds_of(rows, task, optimizer)
    if bounds is None:
        return [{"kind": "bounds", **about}]
    if bounds["max_lr"] is None:
        return []
    seeds = range(num_seeds(optimizer))
    return [
        {"kind": "run", **about, "policy": policy, "lr": lr, "eighths": eighths, "seed": seed}
        for policy, lr, eighths in dict.fromkeys(_cases(rows, task, optimizer, bounds))
        for seed in seeds
    ]


def _cases(rows: Sequence[Row], task: str, optimizer: str, bounds: Row) -> Iterator[Case]:
    if optimizer == SGD:
        yield from ((policy, None, eighths) for policy in SHORTENED for eighths in EIGHTHS)
        yield from ((policy, None, eighths) for policy in DECAYS for eighths in (PARTLY, FULL))
        yield from ((policy, None, FULL) for policy in (FIXED, *WINDOWS))
    yield from (("triangular", None, eighths) for eighths in (PARTLY, FULL))
    if TASKS[task].others:
        yield FIXED, bounds["base_lr"], FULL
    rates = grid(rows, task, optimizer)
    yield from ((FIXED, lr, FULL) for lr in rates)
    shorter = EIGHTHS if optimizer == SGD else ()
    for lr in best_fixed(rows, task, optimizer, rates):
        yield from ((FIXED, lr, eighths) for eighths in shorter)


def grid(rows: Sequence[Row], task: str, optimizer: str) -> list[float]:
    """Rates in half decades around constant_lr, as far down and up as it takes to have the best ones inside."""
    bounds = bounds_of(rows, task, optimizer)
    assert bounds is not None
    middle = round(2 * math.log10(bounds["constant_lr"]))
    low, high = middle + OFFSETS[0], middle + OFFSETS[-1]
    while chosen := best_fixed(rows, task, optimizer, rates := _half_decades(low, high)):
        if min(chosen) == rates[0] and low > middle - FARTHEST:
            low -= 1
        elif max(chosen) == rates[-1] and high < middle + FARTHEST:
            high += 1
        else:
            return rates
    return rates


def _half_decades(low: int, high: int) -> list[float]:
    return [float(f"{10 ** (half / 2):.3g}") for half in range(low, high + 1)]


def bounds_of(rows: Sequence[Row], task: str, optimizer: str) -> Row | None:
    """Its range test."""
    about = {"kind": "bounds", "task": task, "optimizer": optimizer}
    return next((row for row in rows if about.items() <= row.items()), None)


def halves(
    rows: Sequence[Row], task: str, optimizer: str, policy: str, eighths: int, lr: float | None = None
) -> list[tuple[float, float]]:
    """Final accuracies in % on either half of the held-out examples, by seed."""
    case = {"task": task, "optimizer": optimizer, "policy": policy, "lr": lr, "eighths": eighths}
    found = [row for row in rows if row["kind"] == "run" and case.items() <= row.items()]
    return [
        (100 * row["halves"][0], 100 * row["halves"][1])
        for row in sorted(found, key=lambda row: int(row["seed"]))
    ]


def scores(
    rows: Sequence[Row], task: str, optimizer: str, policy: str, eighths: int, lr: float | None = None
) -> list[float]:
    """Final accuracies in % on all held-out examples, by seed. lr None: as the service completes the policy."""
    return [sum(pair) / 2 for pair in halves(rows, task, optimizer, policy, eighths, lr)]


def best_fixed(rows: Sequence[Row], task: str, optimizer: str, rates: Sequence[float]) -> list[float]:
    """By seed the rate that the other seeds choose: with the highest mean at the full budget, of equals the lowest.

    Empty while some rate lacks a seed.
    """
    measured = {lr: scores(rows, task, optimizer, FIXED, FULL, lr) for lr in rates}
    if any(len(found) < num_seeds(optimizer) for found in measured.values()):
        return []
    sums = {lr: [round(sum(found) - one, 6) for one in found] for lr, found in measured.items()}
    return [max(rates, key=lambda lr: sums[lr][seed]) for seed in range(num_seeds(optimizer))]


def fixed_scores(rows: Sequence[Row], task: str, optimizer: str, eighths: int) -> list[float]:
    """Of the best fixed rate at this budget, by seed: none is scored with a rate that it chose."""
    chosen = best_fixed(rows, task, optimizer, grid(rows, task, optimizer))
    return [scores(rows, task, optimizer, FIXED, eighths, lr)[seed] for seed, lr in enumerate(chosen)]


def hindsight_scores(rows: Sequence[Row], task: str, optimizer: str) -> list[float]:
    """Of the fixed rate with the highest mean at the full budget, which flatters it, by seed."""
    rates = grid(rows, task, optimizer)
    return max((scores(rows, task, optimizer, FIXED, FULL, lr) for lr in rates), key=sum)


def halved_scores(rows: Sequence[Row], task: str, optimizer: str) -> list[float]:
    """Of the best fixed rate at the full budget, by seed: each half of the examples scored with the other's choice."""
    measured = {lr: halves(rows, task, optimizer, FIXED, FULL, lr) for lr in grid(rows, task, optimizer)}

    def chosen(half: int) -> list[tuple[float, float]]:
        return max(measured.values(), key=lambda found: sum(pair[half] for pair in found))

    return [(first[0] + second[1]) / 2 for first, second in zip(chosen(1), chosen(0), strict=True)]
