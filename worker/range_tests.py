"""A range test as the worker runs it: plan, measure, record, until nothing is left to measure."""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace

from clr.analysis import read_bounds
from clr.bounds import Bounds
from clr.confirmation_budget import MOST_STEPS
from clr.contender import ContenderRun, RunPlan
from clr.halving import next_run
from clr.momentum import momentum_of
from clr.problem import Problem
from clr.range_test import RangeTestConfig, next_sweep, planned_steps
from clr.sweep import Sweep, SweepPlan, is_sweep, read_sweeps, run_sweep
from clr.training.seeding import seeded
from clr.training.trainer import Trainer
from clr.training_job import run_training
from clr.training_result import CycleEnd
from clr.verdict import confirm_bounds
from store.status import Outcome
from worker.recorder import Recorder
from worker.setup import Setup, fingerprint, steps_an_epoch

READ_EVERY = 8  # losses of a confirmation on a GPU, in steps


def run_range_test(test: RangeTestConfig, setup: Setup, recorder: Recorder) -> None:
    """Measure what is left of a range test and end its job with bounds or `inconclusive`."""
    stored = [run for run in recorder.stored_runs() if run.finished]
    finished = read_sweeps(stored)
    runs = [ContenderRun.from_columns(run.plan, run.series) for run in stored if not is_sweep(run.plan)]
    problem: Problem | None = None
    while (plan := next_sweep(test, finished)) is not None:
        _begin(plan, recorder, finished, total=planned_steps(test, finished))
        problem = setup.problem(plan.seed)
        finished.append(_measure(plan, Trainer(problem, setup.optimizer, device=setup.device), recorder))
    problem = problem or setup.problem(test.seed)
    epoch = steps_an_epoch(problem, setup.batch_size)
    answer = read_bounds(
        finished,
        steps_per_epoch=epoch,
        optimizer=setup.optimizer.name,
        momentum=momentum_of(setup.optimizer.model_dump()),
    )
    if isinstance(answer, Bounds) and setup.batch_size > (problem.train_size or math.inf):
        few = f"batch_size {setup.batch_size} is more than the {problem.train_size} training examples"
        answer = replace(answer, warnings=(*answer.warnings, few))
    if isinstance(answer, Bounds) and test.effort == "thorough":
        _confirm(test, answer, finished, runs, setup, recorder, steps_per_epoch=epoch)
        answer = confirm_bounds(answer, runs)
    recorder.succeed(
        outcome=Outcome.BOUNDS_FOUND if isinstance(answer, Bounds) else Outcome.INCONCLUSIVE,
        result=answer.to_dict() | {"data": fingerprint(problem)},
    )


def _confirm(
    test: RangeTestConfig,
    bounds: Bounds,
    finished: list[Sweep],
    runs: list[ContenderRun],
    setup: Setup,
    recorder: Recorder,
    *,
    steps_per_epoch: int | None,
) -> None:
    """Train what is left of the confirmation, adding to `runs`."""
    fresh = {
        "seed": test.seed + test.num_seeds,
        "sweep": 1 + max(sweep.plan.sweep for sweep in finished),
    }
    total = sum(len(sweep.points) for sweep in finished) + MOST_STEPS
    while (plan := next_run(bounds, runs, **fresh)) is not None:
        _begin(plan, recorder, [*finished, *runs], total=total)
        trainer = Trainer(setup.problem(plan.seed), setup.optimizer, device=setup.device)
        runs.append(_train(plan, trainer, recorder, steps_per_epoch=steps_per_epoch))


def _begin(
    plan: SweepPlan | RunPlan, recorder: Recorder, finished: Sequence[Sweep | ContenderRun], *, total: int
) -> None:
    recorder.begin(
        asdict(plan),
        phase=plan.phase,
        sweep=plan.sweep,
        seed=plan.seed,
        completed=sum(len(run.points) for run in finished),
        total=total,
    )


def _measure(plan: SweepPlan, trainer: Trainer, recorder: Recorder) -> Sweep:
    measured = Sweep(plan)
    read_every = 1 if trainer.device == "cpu" else plan.eval_every  # a read waits until the GPU is done
    with seeded(plan.seed):  # for what draws while it trains: dropout, a DataLoader's order
        for row in run_sweep(plan, trainer.step, trainer.evaluate, read_every=read_every):
            measured.add(row)
            recorder.add(row)
    recorder.finish()
    return measured


def _train(
    plan: RunPlan, trainer: Trainer, recorder: Recorder, *, steps_per_epoch: int | None
) -> ContenderRun:
    trained = ContenderRun(plan)
    read_every = 1 if trainer.device == "cpu" else READ_EVERY
    training = plan.training(steps_per_epoch=steps_per_epoch)
    with seeded(plan.seed):
        for row in run_training(training, trainer.step, trainer.evaluate, read_every=read_every):
            if not isinstance(row, CycleEnd):
                trained.add(row)
                recorder.add(row)
    recorder.finish()
    return trained
