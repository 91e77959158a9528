"""The paper's claims, measured again: trains every run that docs/evidence.md rests on.

`python -m benchmarks.evidence` trains what benchmarks/evidence.jsonl lacks, appending a line a run, so that a stopped
run goes on where it was; then it writes the tables of docs/evidence.md. Runs are those of the service's engine.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from benchmarks.evidence_plan import (
    CYCLES,
    FULL,
    OPTIMIZERS,
    RANGE_TEST_SEED,
    RAW,
    STEP_SIZE_EPOCHS,
    Row,
    bounds_of,
    read_rows,
    studies,
    wanted,
)
from benchmarks.evidence_tables import rewrite
from clr.analysis import read_bounds
from clr.bounds import Bounds
from clr.momentum import momentum_of
from clr.optimizers import parse_optimizer
from clr.problem import Problem
from clr.range_test import RangeTestConfig, next_sweep
from clr.sweep import Sweep, run_sweep
from clr.training.seeding import seeded
from clr.training.trainer import Trainer
from clr.training_job import RecommendedCycle, TrainingConfig, plan_training, run_training
from clr.training_result import CycleEnd, CycleEnds
from clr.workload import Workload
from worker.catalogue import load_workloads


@cache
def workload_of(name: str) -> Workload:
    """A built-in workload."""
    return load_workloads()[name]


def build(asked: Row, seed: int) -> tuple[Problem, Trainer]:
    """The workload with its defaults and the optimizer asked for."""
    workload = workload_of(asked["workload"])
    size = workload.default_batch_size
    problem = workload.build(workload.Params(), seed=seed, batch_size=size, device="cpu")
    return problem, Trainer(problem, parse_optimizer(OPTIMIZERS[asked["optimizer"]]), device="cpu")


def steps_per_epoch(asked: Row, problem: Problem) -> int:
    """Whole batches."""
    return problem.train_size // workload_of(asked["workload"]).default_batch_size


def range_test(asked: Row) -> Row:
    """The default range test, on seeds that nothing is trained with; max_lr is None where it found no bounds."""
    config = RangeTestConfig(seed=RANGE_TEST_SEED)
    finished: list[Sweep] = []
    epoch = 1
    while (plan := next_sweep(config, finished)) is not None:
        problem, trainer = build(asked, plan.seed)
        epoch = steps_per_epoch(asked, problem)
        sweep = Sweep(plan)
        with seeded(plan.seed):
            for measured in run_sweep(plan, trainer.step, trainer.evaluate):
                sweep.add(measured)
        finished.append(sweep)
    optimizer = parse_optimizer(OPTIMIZERS[asked["optimizer"]])
    found = read_bounds(
        finished,
        steps_per_epoch=epoch,
        optimizer=optimizer.name,
        momentum=momentum_of(optimizer.model_dump()),
    )
    cost = {
        "steps": sum(len(sweep.points) for sweep in finished),
        "looks": sum(len(sweep.held_out) for sweep in finished),
    }
    if not isinstance(found, Bounds):
        return cost | {"max_lr": None, "base_lr": None, "why": found.why}
    told = ("base_lr", "max_lr", "base_lr_interval", "max_lr_interval", "rule_base", "rule_max")
    return cost | {name: getattr(found, name) for name in told}


def train(asked: Row, bounds: Row) -> Row:
    """One run of whole cycles, its rates from the bounds but for `fixed`; accuracy is None where it diverged."""
    problem, trainer = build(asked, asked["seed"])
    epoch = steps_per_epoch(asked, problem)
    step_size = int(STEP_SIZE_EPOCHS[asked["workload"]] * epoch)
    schedule: dict[str, Any] = {"policy": asked["policy"]}
    if asked["lr"] is not None:
        schedule["lr"] = asked["lr"]
    num_steps = 2 * step_size * CYCLES * asked["eighths"] // FULL
    plan = plan_training(
        TrainingConfig(schedule=schedule, num_steps=num_steps, round_to_cycles=False, eval_every=num_steps),
        steps_per_epoch=epoch,
        recommended=RecommendedCycle(
            base_lr=bounds["base_lr"], max_lr=bounds["max_lr"], step_size=step_size, steps_per_epoch=epoch
        ),
    )
    ends, last = CycleEnds(), None
    with seeded(asked["seed"]):
        for row in run_training(plan, trainer.step, trainer.evaluate):
            if isinstance(row, CycleEnd):
                ends.add(row)
            last = row
    final = last if isinstance(last, CycleEnd) and last.loss is not None else None
    return {
        "steps": plan.num_steps,
        "loss": final and final.loss,
        "accuracy": final and final.accuracy,
        "best": ends.best and asdict(ends.best),
        "schedule": plan.schedule.model_dump(mode="json"),
    }


def measure(asked: Row, bounds: Row | None) -> Row:
    """The row of what is asked for."""
    started = time.process_time()
    result = range_test(asked) if bounds is None else train(asked, bounds)
    return asked | result | {"cpu_s": round(time.process_time() - started, 2)}


def one_thread() -> None:
    """Small steps gain nothing from more."""
    torch.set_num_threads(1)


def measured(asked: Sequence[Row], bounds: Row | None, processes: int) -> Iterator[Row]:
    """The rows as they come; in this process where one is enough."""
    if processes == 1:
        yield from (measure(one, bounds) for one in asked)
        return
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=one_thread) as pool:
        for done in as_completed([pool.submit(measure, one, bounds) for one in asked]):
            yield done.result()


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


def say(row: Row, left: int) -> None:
    """A line of progress."""
    words = [row["workload"], row["optimizer"], row.get("policy", "range test")]
    if row["kind"] == "run":
        words += [f"{row['lr']:.3g}" if row["lr"] else "", f"{row['eighths']}/{FULL}", f"seed {row['seed']}"]
        words += ["diverged" if row["accuracy"] is None else f"{row['accuracy']:.4f}"]
    else:
        words += [f"{row['base_lr']:.3g} .. {row['max_lr']:.3g}" if row["max_lr"] else row["why"]]
    print(f"{' '.join(filter(None, words))}  ({row['cpu_s']} s; {left} left of this study)", flush=True)


def main() -> None:
    """Train what is missing, study by study, and write the tables."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--processes", type=int, default=os.cpu_count())
    options.add_argument("--only", nargs="*", default=[], metavar="WORKLOAD", help="default: all")
    asked = options.parse_args()
    one_thread()
    rows = read_rows()
    with RAW.open("a") as raw:

        def keep(row: Row) -> None:
            rows.append(row)
            raw.write(json.dumps(row) + "\n")
            raw.flush()

        for workload, optimizer in studies():
            if asked.only and workload not in asked.only:
                continue
            while todo := missing(wanted(workload, optimizer, rows), rows):
                if (here := machine()) not in rows:
                    keep(here)
                bounds = bounds_of(rows, workload, optimizer)
                for number, row in enumerate(measured(todo, bounds, asked.processes), 1):
                    keep(row)
                    say(row, len(todo) - number)
    rewrite()


def missing(asked: Sequence[Row], rows: Sequence[Row]) -> list[Row]:
    """What of it has no row."""
    return [one for one in asked if not any(one.items() <= row.items() for row in rows)]


if __name__ == "__main__":
    main()
