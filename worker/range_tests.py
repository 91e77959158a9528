"""A range test as the worker runs it: plan, measure, record, until nothing is left to measure."""

from dataclasses import asdict, fields
from typing import Any

from clr.bounds import Bounds, find_bounds
from clr.planning import RangeTestConfig, next_sweep, planned_steps
from clr.range_test import Sweep, SweepPlan, run_sweep
from clr.training import Trainer, seeded
from clr.workload import Problem
from worker.recorder import Recorder
from worker.setup import Setup, fingerprint


def run_range_test(config: dict[str, Any], setup: Setup, recorder: Recorder) -> None:
    """Measure what is left of a range test and end its job with bounds or `inconclusive`."""
    test = RangeTestConfig(**{field.name: config[field.name] for field in fields(RangeTestConfig)})
    finished = [
        Sweep.from_columns(sweep.plan, sweep.series) for sweep in recorder.stored_sweeps() if sweep.finished
    ]
    problem: Problem | None = None
    while (plan := next_sweep(test, finished)) is not None:
        recorder.begin(
            asdict(plan),
            phase=plan.phase,
            sweep=plan.sweep,
            seed=plan.seed,
            completed=sum(len(sweep.points) for sweep in finished),
            total=planned_steps(test, finished),
        )
        problem = setup.problem(plan.seed)
        finished.append(_measure(plan, Trainer(problem, setup.optimizer, device=setup.device), recorder))
    problem = problem or setup.problem(test.seed)
    steps_per_epoch = max(1, problem.train_size // setup.batch_size)  # the last partial batch is dropped
    found = find_bounds(finished, steps_per_epoch=steps_per_epoch, optimizer=setup.optimizer.name)
    if isinstance(found, Bounds) and setup.batch_size > problem.train_size:
        found.warnings.append(
            f"batch_size {setup.batch_size} is more than the {problem.train_size} training examples"
        )
    recorder.succeed(
        outcome="bounds_found" if isinstance(found, Bounds) else "inconclusive",
        result=found.to_dict() | {"data": fingerprint(problem)},
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
