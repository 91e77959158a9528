"""Which runs docs/evidence.md rests on: a pure function of what was measured, free of torch.

A row is a line of benchmarks/evidence.jsonl: of kind `bounds` a range test, of kind `run` a training run.
"""

import json
import math
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Case = tuple[str, float | None, int]  # policy, lr of `fixed`, eighths of the full budget

RAW = Path(__file__).with_name("evidence.jsonl")
SEEDS = (0, 1, 2)
RANGE_TEST_SEED = 100  # and the two after it: none that is trained with
CYCLES = 8  # of the full budget, so that each eighth of it is a whole cycle
FULL = 8
EIGHTHS = (1, 2, 3, 4, FULL)
PARTLY = 3  # eighths: the paper's 25,000 of 70,000 steps
STEP_SIZE_EPOCHS = {"digits-cnn": 2.0, "mnist5k-cnn": 1.0, "fashion-mnist-cnn": 3 / 16}
ADAPTIVE_WORKLOADS = ("digits-cnn", "mnist5k-cnn")
SGD = "SGD"
OPTIMIZERS: dict[str, dict[str, Any]] = {
    SGD: {"name": "SGD", "momentum": 0.9},
    "Nesterov": {"name": "SGD", "momentum": 0.9, "nesterov": True},
    "Adam": {"name": "Adam"},
    "RMSprop": {"name": "RMSprop"},
    "Adagrad": {"name": "Adagrad"},
    "Adadelta": {"name": "Adadelta"},
}
CYCLICAL = ("triangular2", "triangular")
OTHERS = ("one_cycle", "exponential_decay", "step_decay")
CONTROL = "decay"
WINDOWS = ("welch", "hann")


def read_rows(file: Path = RAW) -> list[Row]:
    """What was measured so far, in that order."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines()]


def studies() -> Iterator[tuple[str, str]]:
    """(workload, optimizer) in the order they are measured."""
    yield "digits-cnn", SGD
    yield "mnist5k-cnn", SGD
    for optimizer in list(OPTIMIZERS)[1:]:
        yield "digits-cnn", optimizer
    yield "fashion-mnist-cnn", SGD
    for optimizer in list(OPTIMIZERS)[1:]:
        yield "mnist5k-cnn", optimizer


def wanted(workload: str, optimizer: str, rows: Sequence[Row]) -> list[Row]:
    """What this study consists of, as far as it is known yet: a range test first, then runs, each without its result.

    `fixed` is shortened once its best rate is known. Nothing follows from a range test without bounds.
    """
    about = {"workload": workload, "optimizer": optimizer}
    bounds = bounds_of(rows, workload, optimizer)
    if bounds is None:
        return [{"kind": "bounds", **about}]
    if bounds["max_lr"] is None:
        return []
    cases = _cases(workload, optimizer, bounds)
    rates = grid(bounds) if optimizer == SGD else around(bounds)
    measured = [row for row in rows if row["kind"] == "run" and about.items() <= row.items()]
    if sum(row["lr"] in rates and row["eighths"] == FULL for row in measured) == len(rates) * len(SEEDS):
        best = best_fixed(rows, workload, optimizer, rates)
        shorter = EIGHTHS if optimizer == SGD else (PARTLY,)
        cases += [("fixed", best, eighths) for eighths in shorter if best is not None]
    return [
        {"kind": "run", **about, "policy": policy, "lr": lr, "eighths": eighths, "seed": seed}
        for policy, lr, eighths in dict.fromkeys(cases)
        for seed in SEEDS
    ]


def _cases(workload: str, optimizer: str, bounds: Row) -> list[Case]:
    cases: list[Case] = []
    if workload in ADAPTIVE_WORKLOADS:
        cases += [("fixed", lr, FULL) for lr in around(bounds)]
        cases += [("triangular", None, eighths) for eighths in (FULL, PARTLY)]
    if optimizer == SGD:
        cases += [("fixed", lr, FULL) for lr in grid(bounds)]
        shortened = (*CYCLICAL, *OTHERS, CONTROL)
        cases += [(policy, None, eighths) for policy in shortened for eighths in EIGHTHS]
        cases += [(policy, None, FULL) for policy in WINDOWS]
    return cases


def grid(bounds: Row) -> list[float]:
    """Seven rates in half decades around the middle of the bounds."""
    middle = round(2 * math.log10(_middle(bounds)))
    return [float(f"{10 ** (half / 2):.3g}") for half in range(middle - 3, middle + 4)]


def around(bounds: Row) -> list[float]:
    """base_lr, the middle of the bounds, max_lr."""
    return [bounds["base_lr"], float(f"{_middle(bounds):.3g}"), bounds["max_lr"]]


def _middle(bounds: Row) -> float:
    return math.sqrt(bounds["base_lr"] * bounds["max_lr"])


def bounds_of(rows: Sequence[Row], workload: str, optimizer: str) -> Row | None:
    """Its range test."""
    about = {"kind": "bounds", "workload": workload, "optimizer": optimizer}
    return next((row for row in rows if about.items() <= row.items()), None)


def accuracies(
    rows: Sequence[Row], workload: str, optimizer: str, policy: str, eighths: int, lr: float | None = None
) -> list[float]:
    """Final held-out accuracies in %, by seed; a run that diverged counts as 0."""
    case = {"workload": workload, "optimizer": optimizer, "policy": policy, "lr": lr, "eighths": eighths}
    found = [row for row in rows if row["kind"] == "run" and case.items() <= row.items()]
    return [100 * (row["accuracy"] or 0.0) for row in sorted(found, key=lambda row: row["seed"])]


def best_fixed(rows: Sequence[Row], workload: str, optimizer: str, rates: Sequence[float]) -> float:
    """Of these rates the one with the highest mean at the full budget; of equals the lowest."""
    return max(
        rates,
        key=lambda lr: statistics.fmean(accuracies(rows, workload, optimizer, "fixed", FULL, lr)),
    )
