"""What we add to a training step: against a hand-written loop over the same staged tensors.

`range test` is the engine's loop, `training job` that of the service with its recorder and a SQLite file. All run
interleaved in one process, the order changing each round; medians with the spread of the middle half. The losses
of all are compared bit for bit. Held-out looks have a column of their own.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable

import torch
from torch import nn

from benchmarks.recording import recorded
from clr.optimizers import parse_optimizer
from clr.policies import parse_schedule
from clr.problem import Batch
from clr.sweep import Point, SweepPlan, run_sweep
from clr.training.optimizers import make_optimizer
from clr.training.trainer import Trainer
from clr.training_job import TrainingPlan, run_training
from clr.workload import Workload
from migrations.schema import upgrade
from store.database import Database
from worker.catalogue import load_workloads
from worker.recorder import Recorder

ROUNDS = 15
SECONDS_PER_LOOP = 0.25
WORKLOADS = ("digits-mlp", "digits-cnn", "mnist5k-cnn")
START_LR, END_LR = 1e-4, 1e-2


def plan(num_steps: int) -> SweepPlan:
    """A sweep without held-out looks."""
    return SweepPlan(start_lr=START_LR, end_lr=END_LR, num_steps=num_steps)


def training_plan(num_steps: int) -> TrainingPlan:
    """The first half of a triangular cycle, whose rates are those of the sweep."""
    schedule = {"policy": "triangular", "base_lr": START_LR, "max_lr": END_LR, "step_size": num_steps - 1}
    return TrainingPlan(
        schedule=parse_schedule(schedule),
        step_size=num_steps - 1,
        num_steps=num_steps,
        steps_per_epoch=num_steps,
        eval_every=num_steps,
    )


def by_hand(workload: Workload, lrs: list[float]) -> list[float]:
    """What one would write without us: a loop over permuted indices, one line to set the rate."""
    size = workload.default_batch_size
    problem = workload.build(workload.Params(), seed=0, batch_size=size, device="cpu")
    optimizer = make_optimizer(parse_optimizer(workload.default_optimizer), problem.model)
    return loop(problem.model.train(), problem.loss, optimizer, problem.batches, lrs)


def loop(
    model: nn.Module,
    loss_of: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Batch],
    lrs: Iterable[float],
) -> list[float]:
    """The losses of one step at each rate."""
    losses: list[float] = []
    for lr, (inputs, targets) in zip(lrs, batches, strict=False):
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = loss_of(model(inputs), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def as_range_test(workload: Workload, num_steps: int) -> list[float]:
    """The same through `Trainer` and `run_sweep`."""
    rows = run_sweep(plan(num_steps), trainer(workload).step)
    return [row.loss for row in rows if isinstance(row, Point)]


def as_training_job(workload: Workload, num_steps: int, recorder: Recorder) -> list[float]:
    """The same through `Trainer` and `run_training`, recorded."""
    losses = []
    for row in run_training(training_plan(num_steps), trainer(workload).step, lambda: (0.0, None)):
        if isinstance(row, Point):
            recorder.add(row)
            losses.append(row.loss)
    return losses


def trainer(workload: Workload) -> Trainer:
    """A fresh trainer of the workload's defaults."""
    size = workload.default_batch_size
    problem = workload.build(workload.Params(), seed=0, batch_size=size, device="cpu")
    return Trainer(problem, parse_optimizer(workload.default_optimizer), device="cpu")


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def middle(values: list[float]) -> str:
    """Median and middle half."""
    low, median, high = statistics.quantiles(values, n=4)
    return f"{median:.3f} ({low:.3f}-{high:.3f})"


def measure(workload: Workload, recorder: Recorder) -> str:
    """One row of the table."""
    few = [START_LR] * 20
    by_hand(workload, few)  # reads the data set
    num_steps = max(20, int(SECONDS_PER_LOOP / (seconds(lambda: by_hand(workload, few)) / 20)))
    swept = [plan(num_steps).lr(step) for step in range(num_steps)]
    cycled = [training_plan(num_steps).schedule(step) for step in range(num_steps)]
    assert as_range_test(workload, num_steps) == by_hand(workload, swept), "the losses differ"
    assert as_training_job(workload, num_steps, recorder) == by_hand(workload, cycled), "the losses differ"
    loops = {
        "by hand": lambda: by_hand(workload, swept),
        "range test": lambda: as_range_test(workload, num_steps),
        "training job": lambda: as_training_job(workload, num_steps, recorder),
    }
    taken: dict[str, list[float]] = {name: [] for name in loops}
    for turn in range(ROUNDS):
        for name in sorted(loops, reverse=bool(turn % 2)):
            taken[name].append(1000 * seconds(loops[name]) / num_steps)
    ratios = [
        middle([ours / hand for ours, hand in zip(taken[name], taken["by hand"], strict=True)])
        for name in ("range test", "training job")
    ]
    look = trainer(workload)
    looks = [1000 * seconds(look.evaluate) for _ in range(ROUNDS)]
    cells = [middle(taken["by hand"]), *ratios, middle(looks)]
    return f"{workload.name:12} {num_steps:6} " + " ".join(f"{cell:>22}" for cell in cells)


if __name__ == "__main__":
    torch.set_num_threads(1)
    nn.Linear(1, 1)  # the first module of a process is slow
    print(
        f"ms a step, median (middle half) of {ROUNDS} interleaved rounds; torch {torch.__version__}, 1 thread"
    )
    head = ("by hand, ms", "range test, ratio", "training job, ratio", "a held-out look, ms")
    print(f"{'workload':12} {'steps':>6} " + " ".join(f"{cell:>22}" for cell in head))
    with tempfile.TemporaryDirectory() as scratch:
        url = f"sqlite:///{scratch}/clr.sqlite3"
        upgrade(url)
        for name in WORKLOADS:
            with recorded(Database(url)) as (_, recorder):
                print(measure(load_workloads()[name], recorder), flush=True)
