"""What the engine adds to a training step: against a hand-written loop over the same staged tensors.

Both loops run interleaved in one process, the order changing each round; medians with the spread of the
middle half. The losses of both are compared bit for bit. Held-out looks have a column of their own.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from clr.optimizers import parse_optimizer
from clr.range_test import Point, SweepPlan, run_sweep
from clr.training import Trainer, make_optimizer
from clr.workload import Workload
from worker.catalogue import load_workloads

ROUNDS = 15
SECONDS_PER_LOOP = 0.25
WORKLOADS = ("digits-mlp", "digits-cnn", "mnist5k-cnn")
START_LR, END_LR = 1e-4, 1e-2


def plan(num_steps: int) -> SweepPlan:
    """A sweep without held-out looks."""
    return SweepPlan(start_lr=START_LR, end_lr=END_LR, num_steps=num_steps)


def by_hand(workload: Workload, num_steps: int) -> list[float]:
    """What one would write without us: a loop over permuted indices, one line to set the rate."""
    size = workload.default_batch_size
    problem = workload.build(workload.Params(), seed=0, batch_size=size, device="cpu")
    model, loss_of, batches = problem.model.train(), problem.loss, iter(problem.batches)
    optimizer = make_optimizer(parse_optimizer(workload.default_optimizer), model)
    losses = []
    for step in range(num_steps):
        lr = START_LR + (END_LR - START_LR) * (step / (num_steps - 1))
        for group in optimizer.param_groups:
            group["lr"] = lr
        inputs, targets = next(batches)
        loss = loss_of(model(inputs), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def by_engine(workload: Workload, num_steps: int) -> list[float]:
    """The same through `Trainer` and `run_sweep`."""
    rows = run_sweep(plan(num_steps), trainer(workload).step)
    return [row.loss for row in rows if isinstance(row, Point)]


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


def measure(workload: Workload) -> str:
    """One row of the table."""
    by_hand(workload, 20)  # reads the data set
    num_steps = max(20, int(SECONDS_PER_LOOP / (seconds(lambda: by_hand(workload, 20)) / 20)))
    assert by_hand(workload, num_steps) == by_engine(workload, num_steps), "the losses differ"
    hand, engine = [], []
    for turn in range(ROUNDS):
        pair = [(by_hand, hand), (by_engine, engine)]
        for loop, times in pair if turn % 2 else reversed(pair):
            times.append(1000 * seconds(lambda loop=loop: loop(workload, num_steps)) / num_steps)
    ratios = [ours / theirs for ours, theirs in zip(engine, hand, strict=True)]
    look = trainer(workload)
    looks = [1000 * seconds(look.evaluate) for _ in range(ROUNDS)]
    return (
        f"{workload.name:12} {num_steps:6} {middle(hand):>22} {middle(engine):>22} {middle(ratios):>22} "
        f"{middle(looks):>24}"
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    nn.Linear(1, 1)  # the first module of a process is slow
    print(
        f"ms a step, median (middle half) of {ROUNDS} interleaved rounds; torch {torch.__version__}, 1 thread"
    )
    print(
        f"{'workload':12} {'steps':>6} {'by hand':>22} {'engine':>22} {'ratio':>22} {'a held-out look, ms':>24}"
    )
    for name in WORKLOADS:
        print(measure(load_workloads()[name]))
