"""A range test of a workload, measured in this process from plan to answer, as a worker measures it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from clr import adafactor
from clr.bounds import Bounds, Inconclusive
from clr.optimizer_plugin import find_plugin
from clr.optimizers import AnyOptimizer, Installed, parse_any
from clr.problem import Problem
from clr.range_test import RangeTestConfig, next_sweep, planned_steps
from clr.rates import explain_multiplier
from clr.reporting import RangeTestReport
from clr.sweep import Sweep, SweepPlan
from clr.training.setup import Setup, steps_an_epoch
from clr.training.sweep import measure_sweep

Show = Callable[[SweepPlan, int, int], None]  # the sweep, completed and total steps of the test


def plan_test(optimizer: AnyOptimizer, **asked: Any) -> RangeTestConfig:
    """The range test that was asked for, as the service plans it. Raises ValueError."""
    asked = {name: value for name, value in asked.items() if value is not None}
    if asked.get("effort") == "quick" and asked.setdefault("num_seeds", 1) != 1:
        raise ValueError("num_seeds must be 1, or left out, with effort quick")
    if asked.get("effort") == "thorough":
        raise ValueError("effort thorough is not to be had here: take standard")
    test = RangeTestConfig(**asked)
    return adafactor.stay_below_cap(test) if optimizer.name == adafactor.NAME else test


def find_optimizer(spec: Mapping[str, Any]) -> AnyOptimizer:
    """The optimizer with every parameter, one of an installed package too.

    Raises pydantic's ValidationError naming the parameter, and `Untrainable` where it is not installed.
    """
    optimizer = parse_any(dict(spec))
    if not isinstance(optimizer, Installed):
        return optimizer
    plugin = find_plugin(optimizer.name)
    if plugin.lr_meaning == "multiplier":
        raise ValueError(explain_multiplier(optimizer.name))
    params = plugin.Params.model_validate(optimizer.params)
    return Installed(name=optimizer.name, **params.model_dump(mode="json"))


def run_range_test(
    test: RangeTestConfig,
    setup: Setup,
    report: RangeTestReport,
    *,
    training: Mapping[str, Any] | None,
    show: Show,
) -> Bounds | Inconclusive | None:
    """Measure a whole range test; None where it was cancelled at the service.

    training: {"policy", "num_epochs"} that the bounds are for. Raises `DatasetMissing` and `Untrainable`, and whatever
    the workload raises; once it was begun the report is ended then too.
    """
    problem = setup.problem(test.seed)  # whose data may be missing: then there is nothing to report
    sweeps: list[Sweep] = []
    whole = False
    try:
        report.begin(test, optimizer=setup.optimizer.model_dump(mode="json"), training=training)
        while (ahead := _look_ahead(test, sweeps, setup, problem, training)) is not None:
            plan, total = ahead
            if sweeps:
                problem = setup.problem(plan.seed)
            sweeps.append(Sweep(plan))
            report.begin_sweep(sweeps[-1])
            for row in measure_sweep(plan, problem, setup):
                sweeps[-1].add(row)
                show(plan, _count(sweeps), total)
                if report.cancelled:
                    return None
            report.end_sweep(steps_per_epoch=steps_an_epoch(problem, setup.batch_size))
        whole = True
    finally:
        report.end(whole=whole)
    return _fit(setup.read(sweeps, problem), training)


def _look_ahead(
    test: RangeTestConfig,
    sweeps: Sequence[Sweep],
    setup: Setup,
    problem: Problem,
    training: Mapping[str, Any] | None,
) -> tuple[SweepPlan, int] | None:
    """The sweep that comes next, and how many steps the whole test takes as far as is foreseen; None at its end."""
    probe = setup.plan_probe(sweeps, problem, training)
    left = probe.num_steps if probe else 0
    if (plan := next_sweep(test, sweeps)) is not None:
        return plan, planned_steps(test, sweeps) + left
    return None if probe is None else (probe, _count(sweeps) + left)


def _fit(answer: Bounds | Inconclusive, training: Mapping[str, Any] | None) -> Bounds | Inconclusive:
    """The answer with the rates of the training, where it can have that budget."""
    if training is None or not isinstance(answer, Bounds):
        return answer
    try:
        return answer.fit_budget(**training)
    except ValueError as error:
        return replace(answer, warnings=(*answer.warnings, str(error)))


def _count(sweeps: Sequence[Sweep]) -> int:
    return sum(len(sweep.points) for sweep in sweeps)
