"""One sweep of a workload's problem, measured: by a worker, or by a process of the user's own."""

from collections.abc import Iterator

from clr.problem import Problem
from clr.sweep import HeldOut, Point, SweepPlan, run_sweep
from clr.training.looks import sample_held_out
from clr.training.seeding import seeded
from clr.training.setup import Setup
from clr.training.trainer import Trainer


def measure_sweep(plan: SweepPlan, problem: Problem, setup: Setup) -> Iterator[Point | HeldOut]:
    """What a sweep of a problem that was built for its seed measures, in step order."""
    looked_at = sample_held_out(problem, batch_size=setup.batch_size, eval_every=plan.eval_every)
    trainer = Trainer(looked_at, setup.optimizer, device=setup.device)
    read_every = 1 if trainer.device == "cpu" else plan.eval_every  # a read waits until the GPU is done
    with seeded(plan.seed):  # for what draws while it trains: dropout, a DataLoader's order
        yield from run_sweep(plan, trainer.step, trainer.evaluate, read_every=read_every)
