"""Who answers: our range test, other packages' rules on our exponential sweeps, constants, and the floor to beat."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.quality.measuring import Sweeps
from benchmarks.quality.tasks import FOLKLORE, OPTIMIZERS, Task
from clr.analysis import read_bounds
from clr.bounds import Bounds
from clr.finders import RULES, list_candidates
from clr.momentum import momentum_of
from clr.optimizers import parse_optimizer
from clr.sweep import Effort, Sweep

REPEATS = (0, 10, 20, 30, 40)  # first seeds
OURS: tuple[Effort, ...] = ("standard", "quick")
FLOOR_FACTOR = 2.5  # fastai's `minimum` is a tenth of the rate of the lowest loss: a quarter of it


@dataclass(frozen=True, slots=True)
class Answer:
    """max_lr, or None and why; what it cost in updates and in seconds of CPU, held-out looks among them."""

    lr: float | None
    why: str | None = None
    steps: int = 0
    seconds: float = 0.0


Finder = Callable[[list[float], list[float]], float | tuple[float, float] | None]


def answers(task: Task, sweeps: Sweeps, finders: Mapping[str, Finder]) -> dict[str, list[Answer]]:
    """What every method says of a task, once for each of `REPEATS`; finders: more of them, by name."""
    found: dict[str, list[Answer]] = {}
    for effort in OURS:
        found[f"ours, {effort}"] = [ours(task, sweeps, seed, effort) for seed in REPEATS]
    found["folklore"] = [Answer(FOLKLORE[task.optimizer]) for _ in REPEATS]
    short = [sweeps.range_test(seed, "quick")[0] for seed in REPEATS]
    found["floor"] = [_read(sweeps, sweep, "minimum", FLOOR_FACTOR) for sweep in short]
    for rule in RULES:
        found[rule] = [_read(sweeps, sweep, rule) for sweep in short]
    for name, finder in finders.items():
        found[name] = [_ask(sweeps, sweep, finder) for sweep in short]
    return found


def ours(task: Task, sweeps: Sweeps, seed: int, effort: Effort, num_steps: int | None = None) -> Answer:
    """Our own range test; num_steps: of each sweep, None for the default."""
    measured = sweeps.range_test(seed, effort, num_steps)
    optimizer = parse_optimizer(OPTIMIZERS[task.optimizer])
    bounds = read_bounds(measured, optimizer=optimizer.name, momentum=momentum_of(optimizer.model_dump()))
    return Answer(
        bounds.max_lr if isinstance(bounds, Bounds) else None,
        None if isinstance(bounds, Bounds) else bounds.why,
        _steps(measured),
        sum(map(sweeps.seconds, measured)),
    )


def _read(sweeps: Sweeps, sweep: Sweep, rule: str, factor: float = 1.0) -> Answer:
    lr = next(one.lr for one in list_candidates([sweep]) if one.name == rule)
    why = "no answer" if lr is None else None
    return Answer(lr and factor * lr, why, _steps([sweep]), sweeps.seconds(sweep))


def _ask(sweeps: Sweeps, sweep: Sweep, finder: Finder) -> Answer:
    """What somebody's finder says of a sweep; one that raises has no answer."""
    points = [point for point in sweep.points if math.isfinite(point.loss)]
    cost = {"steps": _steps([sweep]), "seconds": sweeps.seconds(sweep)}
    try:
        said = finder([point.lr for point in points], [point.loss for point in points])
        lr = None if said is None else float(said[1] if isinstance(said, tuple) else said)
    except Exception as error:  # whatever it does, the others are still measured
        return Answer(None, f"{type(error).__name__}: {error}", **cost)
    if lr is None or not 0 < lr < math.inf:
        return Answer(None, "no answer" if lr is None else f"{lr} is no rate", **cost)
    return Answer(lr, **cost)


def _steps(sweeps: Sequence[Sweep]) -> int:
    return sum(len(sweep.points) for sweep in sweeps)
