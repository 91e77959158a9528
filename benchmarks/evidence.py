"""The paper's claims, measured again: trains every run that docs/evidence.md rests on.

`python -m benchmarks.evidence` trains what benchmarks/evidence.jsonl lacks, appending a line a run, so that a stopped
run goes on where it was; then it writes the tables of docs/evidence.md. Runs are those of the service's engine.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.evidence_plan import (
    FULL,
    OPTIMIZERS,
    RANGE_TEST_SEED,
    RAW,
    TASKS,
    Row,
    bounds_of,
    read_rows,
    studies,
    wanted,
)
from benchmarks.evidence_tables import rewrite
from benchmarks.evidence_workloads import workloads
from benchmarks.quality.measuring import range_test as sweeps_of
from clr.analysis import read_bounds
from clr.bounds import Bounds
from clr.cycles import cycles_for
from clr.momentum import momentum_of
from clr.optimizers import parse_optimizer
from clr.problem import Problem
from clr.range_test import RangeTestConfig
from clr.recommended_cycle import RecommendedCycle
from clr.sweep import Point, Sweep, SweepPlan, run_sweep
from clr.training.looks import sample_held_out
from clr.training.seeding import seeded
from clr.training.trainer import Trainer
from clr.training_job import TrainingConfig, plan_training, run_training


def build(asked: Row, seed: int) -> Problem:
    """The task's workload with its default batch size."""
    workload, params = workloads()[asked["task"]], TASKS[asked["task"]].params
    size = workload.default_batch_size
    return workload.build(workload.Params(**params), seed=seed, batch_size=size, device="cpu")


def make_trainer(asked: Row, problem: Problem) -> Trainer:
    """With the optimizer asked for."""
    return Trainer(problem, parse_optimizer(OPTIMIZERS[asked["optimizer"]]), device="cpu")


def steps_per_epoch(asked: Row, problem: Problem) -> int:
    """Whole batches."""
    assert problem.train_size is not None
    return problem.train_size // workloads()[asked["task"]].default_batch_size


def range_test(asked: Row) -> Row:
    """The default range test, on seeds that nothing is trained with; max_lr is None where it found no bounds."""
    finished = sweeps_of(RangeTestConfig(seed=RANGE_TEST_SEED), lambda plan: sweep(asked, plan))
    optimizer = parse_optimizer(OPTIMIZERS[asked["optimizer"]])
    epoch = steps_per_epoch(asked, build(asked, RANGE_TEST_SEED))
    found = read_bounds(
        finished,
        steps_per_epoch=epoch,
        optimizer=optimizer.name,
        momentum=momentum_of(optimizer.model_dump()),
    )
    cost = {"steps": sum(len(one.points) for one in finished), "steps_per_epoch": epoch}
    if not isinstance(found, Bounds):
        return cost | {"max_lr": None, "base_lr": None, "why": found.why}
    told = (
        "base_lr",
        "max_lr",
        "constant_lr",
        "base_lr_interval",
        "max_lr_interval",
        "rule_base",
        "rule_max",
        "breaks_at",
    )
    warned = {"turn": found.turn and asdict(found.turn), "warnings": found.warnings}
    return cost | {name: getattr(found, name) for name in told} | warned


def sweep(asked: Row, plan: SweepPlan) -> Sweep:
    """One sweep of it, as a worker looks at the held-out set."""
    problem, batch_size = build(asked, plan.seed), workloads()[asked["task"]].default_batch_size
    looked_at = sample_held_out(problem, batch_size=batch_size, eval_every=plan.eval_every)
    trainer, measured = make_trainer(asked, looked_at), Sweep(plan)
    with seeded(plan.seed):
        for row in run_sweep(plan, trainer.step, trainer.evaluate):
            measured.add(row)
    return measured


def train(asked: Row, bounds: Row) -> Row:
    """One run of the cycles that the service recommends for its length, its rates from the bounds unless told."""
    problem = build(asked, asked["seed"])
    epoch = steps_per_epoch(asked, problem)
    cycles = cycles_for(TASKS[asked["task"]].epochs * epoch * asked["eighths"] // FULL, steps_per_epoch=epoch)
    schedule: dict[str, Any] = {"policy": asked["policy"]}
    if asked["lr"] is not None:
        schedule["lr"] = asked["lr"]
    plan = plan_training(
        TrainingConfig(schedule=schedule, num_steps=cycles.num_steps, round_to_cycles=False),
        steps_per_epoch=epoch,
        recommended=RecommendedCycle.from_dict(bounds | asdict(cycles)),
    )
    trainer = make_trainer(asked, problem)
    taken = 0
    with seeded(asked["seed"]):
        for row in run_training(plan, trainer.step, lambda: (0.0, None), read_every=100):
            taken += isinstance(row, Point)
    return {
        "steps": plan.num_steps,
        "halves": [right(asked, problem, first) for first in (0, 1)],
        "diverged_at": taken if taken < plan.num_steps else None,
        "warnings": plan.warnings,
        "schedule": plan.schedule.model_dump(mode="json"),
    }


def right(asked: Row, problem: Problem, first: int) -> float:
    """The accuracy on every second held-out example; that of chance where the weights are not finite."""
    half = tuple(part[first::2] for part in problem.held_out)
    _, accuracy = make_trainer(asked, replace(problem, held_out=half)).evaluate()
    assert accuracy is not None
    return round(accuracy, 6)


def measure(asked: Row, bounds: Row | None) -> Row:
    """The row of what is asked for."""
    started = time.process_time()
    result = range_test(asked) if bounds is None else train(asked, bounds)
    return asked | result | {"cpu_s": round(time.process_time() - started, 2)}


def machine() -> Row:
    """Where and with what it is measured."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(": ")[2] if names else cpu
    return {
        "kind": "machine",
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "numpy", "scipy", "scikit-learn")},
    }


def say(row: Row, left: int, mean_s: float) -> None:
    """A line of progress."""
    words = [row["task"], row["optimizer"], row.get("policy", "range test")]
    if row["kind"] == "run":
        words += [f"{row['lr']:.3g}" if row["lr"] else "", f"{row['eighths']}/{FULL}", f"seed {row['seed']}"]
        words += [f"diverged at {row['diverged_at']}" if row["diverged_at"] is not None else ""]
        words += [f"{50 * sum(row['halves']):.2f}"]
    else:
        words += [f"{row['base_lr']:.3g} .. {row['max_lr']:.3g}" if row["max_lr"] else row["why"]]
    print(
        f"{' '.join(filter(None, words))}  ({row['cpu_s']} s; {left} left here, about {left * mean_s / 60:.1f} min)",
        flush=True,
    )


def fill(only: Sequence[str]) -> None:
    """Train what is missing, study by study."""
    rows = read_rows()
    with RAW.open("a") as raw:

        def keep(row: Row) -> None:
            rows.append(row)
            raw.write(json.dumps(row) + "\n")
            raw.flush()

        for task, optimizer in studies():
            while todo := missing(wanted(task, optimizer, rows), rows) if task in (only or TASKS) else []:
                if (here := machine()) not in rows:
                    keep(here)
                bounds, spent = bounds_of(rows, task, optimizer), 0.0
                for number, asked in enumerate(todo, 1):
                    keep(row := measure(asked, bounds))
                    spent += row["cpu_s"]
                    say(row, len(todo) - number, spent / number)


def missing(asked: Sequence[Row], rows: Sequence[Row]) -> list[Row]:
    """What of it has no row."""
    return [one for one in asked if not any(one.items() <= row.items() for row in rows)]


def main() -> None:
    """Train what is missing and write the tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", nargs="*", default=[], metavar="TASK", help="default: all")
    asked = options.parse_args()
    torch.set_num_threads(1)  # small steps gain nothing from more
    fill(asked.only)
    rewrite()


if __name__ == "__main__":
    main()
