"""How far the bounds of a built-in workload move when the test is repeated with other seeds.

`python benchmarks/bounds.py NAME ...` measures these; by default those that take less than half a minute a test.
"""

import math
import statistics
import sys
import time

import torch

from clr.analysis import read_bounds
from clr.bounds import Bounds, Inconclusive
from clr.momentum import momentum_of
from clr.optimizers import parse_optimizer
from clr.range_test import RangeTestConfig, next_sweep
from clr.sweep import Sweep, run_sweep
from clr.training.trainer import Trainer
from clr.workload import Workload
from worker.catalogue import load_workloads

REPEATS = 5
WORKLOADS = ("digits-mlp", "digits-cnn", "mnist5k-cnn", "flights-mlp", "spoken-digits-cnn")


def range_test(workload: Workload, first_seed: int) -> tuple[Bounds | Inconclusive, int]:
    """The default test with the workload's defaults; the steps it took."""
    optimizer = parse_optimizer(workload.default_optimizer)
    config, size = RangeTestConfig(seed=first_seed), workload.default_batch_size
    finished: list[Sweep] = []
    steps_per_epoch = 0.0
    while (plan := next_sweep(config, finished)) is not None:
        problem = workload.build(workload.Params(), seed=plan.seed, batch_size=size, device="cpu")
        steps_per_epoch = problem.train_size / size
        trainer = Trainer(problem, optimizer, device="cpu")
        sweep = Sweep(plan)
        for measured in run_sweep(plan, trainer.step, trainer.evaluate):
            sweep.add(measured)
        finished.append(sweep)
    found = read_bounds(
        finished,
        steps_per_epoch=steps_per_epoch,
        optimizer=optimizer.name,
        momentum=momentum_of(optimizer.model_dump()),
    )
    return found, sum(len(sweep.points) for sweep in finished)


def row(workload: Workload) -> str:
    """One row of the table."""
    started = time.perf_counter()
    answers = [range_test(workload, 10 * repeat) for repeat in range(REPEATS)]
    seconds = (time.perf_counter() - started) / REPEATS
    found = [answer for answer, _ in answers if isinstance(answer, Bounds)]
    steps = statistics.median(taken for _, taken in answers)
    if len(found) < 2:
        return f"{workload.name:20} inconclusive {REPEATS - len(found)} of {REPEATS}"
    spread = statistics.stdev(math.log10(one.max_lr) for one in found)
    base_lrs = " ".join(f"{one.base_lr:.3g}" for one in found)
    max_lrs = " ".join(f"{one.max_lr:.3g}" for one in found)
    return f"{workload.name:20} {base_lrs:36} {max_lrs:36} {spread:8.3f} {steps:7.0f} {seconds:6.1f}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(
        f"{REPEATS} repeats of the default test, seeds 0, 10, 20 ...; spread: standard deviation of log10(max_lr)"
    )
    print(f"{'workload':20} {'base_lr':36} {'max_lr':36} {'spread':>8} {'steps':>7} {'s':>6}")
    for name in sys.argv[1:] or WORKLOADS:
        print(row(load_workloads()[name]))
