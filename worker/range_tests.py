"""A range test as the worker runs it: plan, measure, record, until nothing is left to measure."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from clr.bounds import Bounds
from clr.climb import confirm_bounds, keep_asked, next_runs
from clr.confirmation_budget import USUAL_RUNS, run_steps
from clr.contender import ContenderRun
from clr.problem import Problem
from clr.range_test import RangeTestConfig, foresee_sweeps, next_sweep, planned_steps
from clr.sweep import Sweep, SweepPlan, is_sweep, read_sweeps
from clr.training.setup import Setup, fingerprint, steps_an_epoch
from store.status import Outcome
from worker.ahead import Ahead
from worker.measuring import begin, measure_sweep, train_contender
from worker.recorder import Recorder


def run_range_test(
    test: RangeTestConfig,
    setup: Setup,
    recorder: Recorder,
    ahead: Ahead,
    *,
    training: Mapping[str, Any] | None = None,
) -> None:
    """Measure what is left of a range test and end its job with bounds or `inconclusive`.

    training: what the bounds are for, if that was told: {"policy", and "num_steps" or "num_epochs"}.
    """
    stored = [run for run in recorder.stored_runs() if run.finished]
    finished = read_sweeps(stored)
    runs = [ContenderRun.from_columns(run.plan, run.series) for run in stored if not is_sweep(run.plan)]
    problem = _measure(test, finished, setup, recorder, ahead, training)
    answer = setup.read(finished, problem)
    if isinstance(answer, Bounds) and test.effort == "thorough":
        runs = keep_asked(answer, runs, training=training, seed=test.seed + test.num_seeds)
        _confirm(test, answer, finished, runs, setup, recorder, ahead, training)
        answer = confirm_bounds(answer, runs, training=training)
    recorder.succeed(
        outcome=Outcome.BOUNDS_FOUND if isinstance(answer, Bounds) else Outcome.INCONCLUSIVE,
        result=answer.to_dict() | {"data": fingerprint(problem)} | ahead.describe_waste(),
    )


def _measure(
    test: RangeTestConfig,
    finished: list[Sweep],
    setup: Setup,
    recorder: Recorder,
    ahead: Ahead,
    training: Mapping[str, Any] | None,
) -> Problem:
    """Measure what is left of the sweeps, and the probe if one is due, adding to `finished`; the problem of a seed.

    A probe counts in the progress as soon as what is measured foresees it.
    """
    problem: Problem | None = None
    probe: SweepPlan | None = None
    while (plan := next_sweep(test, finished)) is not None:
        completed = sum(len(sweep.points) for sweep in finished)
        if (run := ahead.take(plan, foresee_sweeps(test, finished), completed=completed)) is not None:
            finished.append(Sweep.from_columns(run.plan, run.series))
            continue
        planned = planned_steps(test, finished, run_steps=_run_steps(training, problem, setup))
        total = planned + (probe.num_steps if probe else 0)
        begin(plan, recorder, completed=completed, total=total)
        problem = setup.problem(plan.seed)
        finished.append(ahead.timed(partial(measure_sweep, plan, problem, setup, recorder)))
        probe = setup.plan_probe(finished, problem, training)
    problem = problem or setup.problem(test.seed)
    while (plan := setup.plan_probe(finished, problem, training)) is not None:
        completed = sum(len(sweep.points) for sweep in finished)
        later = USUAL_RUNS * _run_steps(training, problem, setup) if test.effort == "thorough" else 0
        begin(plan, recorder, completed=completed, total=completed + plan.num_steps + later)
        finished.append(measure_sweep(plan, setup.problem(plan.seed), setup, recorder))
    return problem


def _run_steps(training: Mapping[str, Any] | None, problem: Problem | None, setup: Setup) -> int:
    """Of each training of a confirmation; problem: None before the first was built."""
    return run_steps(training, None if problem is None else steps_an_epoch(problem, setup.batch_size))


def _confirm(
    test: RangeTestConfig,
    bounds: Bounds,
    finished: list[Sweep],
    runs: list[ContenderRun],
    setup: Setup,
    recorder: Recorder,
    ahead: Ahead,
    training: Mapping[str, Any] | None,
) -> None:
    """Train what is left of the confirmation, adding to `runs`."""
    fresh = {
        "seed": test.seed + test.num_seeds,
        "sweep": 1 + max(sweep.plan.sweep for sweep in finished),
    }
    of_sweeps = sum(len(sweep.points) for sweep in finished)
    while plans := next_runs(bounds, runs, training=training, **fresh):
        plan, *later = plans
        completed = of_sweeps + sum(len(run.points) for run in runs)
        if (run := ahead.take(plan, later, completed=completed)) is not None:
            runs.append(ContenderRun.from_columns(run.plan, run.series))
            continue
        left = max(USUAL_RUNS - len(runs), len(plans))
        begin(plan, recorder, completed=completed, total=completed + left * plan.num_steps)
        runs.append(ahead.timed(partial(train_contender, plan, setup.problem(plan.seed), setup, recorder)))
