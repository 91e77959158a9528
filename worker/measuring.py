"""One sweep, or one training of a confirmation, measured and recorded: by its range test, or ahead of it."""

from dataclasses import asdict
from typing import Any

from clr.contender import ContenderRun, RunPlan
from clr.problem import Problem
from clr.sweep import Sweep, SweepPlan
from clr.training.seeding import seeded
from clr.training.setup import Setup, steps_an_epoch
from clr.training.sweep import measure_sweep as measure
from clr.training.trainer import Trainer
from clr.training_job import run_training
from clr.training_result import CycleEnd
from store.status import Outcome
from worker.recorder import Recorder

READ_EVERY = 8  # losses of a confirmation on a GPU, in steps

Plan = SweepPlan | RunPlan


def read_plan(plan: dict[str, Any]) -> Plan:
    """The plan, of what a job or a run stores."""
    return RunPlan(**plan) if plan["phase"] == "confirm" else SweepPlan(**plan)


def begin(plan: Plan, recorder: Recorder, *, completed: int, total: int) -> None:
    """Start the curve. completed: of the `total` steps of the job, those that were measured before."""
    recorder.begin(
        asdict(plan), phase=plan.phase, sweep=plan.sweep, seed=plan.seed, completed=completed, total=total
    )


def measure_sweep(plan: SweepPlan, problem: Problem, setup: Setup, recorder: Recorder) -> Sweep:
    """Measure a sweep of a problem that was built for its seed."""
    sweep = Sweep(plan)
    for row in measure(plan, problem, setup):
        sweep.add(row)
        recorder.add(row)
    recorder.finish()
    return sweep


def train_contender(plan: RunPlan, problem: Problem, setup: Setup, recorder: Recorder) -> ContenderRun:
    """Train a contender of a confirmation on a problem that was built for its seed."""
    run, trainer = ContenderRun(plan), Trainer(problem, setup.optimizer, device=setup.device)
    read_every = 1 if trainer.device == "cpu" else READ_EVERY
    training = plan.training(steps_per_epoch=steps_an_epoch(problem, setup.batch_size))
    with seeded(plan.seed):
        for row in run_training(training, trainer.step, trainer.evaluate, read_every=read_every):
            if not isinstance(row, CycleEnd):
                run.add(row)
                recorder.add(row)
    recorder.finish()
    return run


def measure_ahead(plan: Plan, setup: Setup, recorder: Recorder) -> None:
    """Measure a sweep, or train a contender, that is a job of its own, and end that."""
    begin(plan, recorder, completed=0, total=plan.num_steps)
    problem = setup.problem(plan.seed)
    if isinstance(plan, SweepPlan):
        measure_sweep(plan, problem, setup, recorder)
    else:
        train_contender(plan, problem, setup, recorder)
    recorder.succeed(outcome=Outcome.MEASURED, result={})
