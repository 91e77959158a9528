"""A training job: what is asked for, the plan that follows, and the run, step by step.

The run is a generator that knows neither torch nor a server: progress, checkpoints and an early stop are its
caller's loop.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, SupportsFloat

from pydantic import ValidationError

from clr.cycles import CYCLES, FEWEST_EPOCHS, count_steps, half_cycle, short_epoch
from clr.partial_schedules import complete, has_own_rates
from clr.policies import Schedule, Staged
from clr.recommended_cycle import RecommendedCycle
from clr.records import pick_fields
from clr.sweep import HeldOut, Point
from clr.training_result import CycleEnd

Precision = Literal["float32", "bfloat16"]

LENGTHS = ("step_size", "step_size_down", "t_0", "t_mult", "num_steps", "stages")  # of a schedule's own
MOST_GROWN = 64  # periods of a schedule whose periods grow: more are longer than any budget
LOOKS = 100  # at the held-out set in one job, cycle ends not counted


class BudgetRefused(ValueError):
    """The budget cannot be trained as it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """A training job as requested, beside its workload; None is chosen.

    schedule: {"policy", its parameters}; what is left out is completed (clr/partial_schedules.py).
    step_size_epochs: half a cycle in epochs, for a schedule without a step_size; a cycle of a policy that has
    none, too. One of num_cycles, num_steps, num_epochs is the budget.
    round_to_cycles: a budget that ends inside a cycle becomes the nearest number of whole cycles, or is refused.
    eval_every: steps between looks at the held-out set. patience: as of `CycleEnds`.
    accumulation_steps: batches of one step. clip_grad_norm: the largest 2-norm of the gradient; None: any.
    cycle_momentum: cycle momentum opposite to lr, base_momentum at max_lr, max_momentum at base_lr.
    resume_from: the id of the job to go on from. resume_at: steps that it trained; the budget comes on top of them.
    """

    schedule: Mapping[str, Any]
    step_size_epochs: float | None = None
    num_cycles: int | None = None
    num_steps: int | None = None
    num_epochs: float | None = None
    round_to_cycles: bool = True
    eval_every: int | None = None
    patience: int | None = None
    accumulation_steps: int = 1
    clip_grad_norm: float | None = None
    precision: Precision = "float32"
    cycle_momentum: bool = False
    base_momentum: float = 0.85
    max_momentum: float = 0.95
    seed: int = 0
    resume_from: str | None = None
    resume_at: int = 0

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Self:
        """Read the config of a stored job; keys that say nothing of the training are ignored."""
        return cls(**pick_fields(cls, config))

    @property
    def momentum(self) -> tuple[float, float] | None:
        """(lowest, highest) to cycle between; None where it is left alone."""
        return (self.base_momentum, self.max_momentum) if self.cycle_momentum else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """What is trained: steps first_step .. num_steps - 1 of a schedule.

    The held-out set is looked at every `eval_every` steps and at every cycle's end. step_size: half a cycle.
    """

    schedule: Schedule
    step_size: int
    num_steps: int
    steps_per_epoch: int | None
    eval_every: int
    first_step: int = 0
    warnings: tuple[str, ...] = ()

    def cycles(self) -> Iterator[tuple[int, range]]:
        """(number from 1, its steps) of every cycle up to num_steps; the last may be cut short."""
        step, number = 0, 0
        while step < self.num_steps:
            cycle = self.schedule.cycle_at(step)
            stop = cycle.stop if cycle is not None and step in cycle else self._nominal_end(step)
            number += 1
            yield number, range(step, min(stop, self.num_steps))
            step = stop

    def _nominal_end(self, step: int) -> int:
        """Where a cycle of the step size would end, in a policy or a stage without cycles."""
        stop = step + 2 * self.step_size
        stages = self.schedule.stages if isinstance(self.schedule, Staged) else ()
        return min([stop, *(stage.end for stage in stages if step < stage.end)])

    def ends_cycle(self, step: int) -> bool:
        """Whether a cycle ends with this step; a pass over all cycles."""
        return any(cycle[-1] == step for _, cycle in self.cycles())

    def to_dict(self) -> dict[str, Any]:
        """As a run is stored with it."""
        return {
            "phase": "training",
            "shape": self.schedule.policy,
            "schedule": self.schedule.model_dump(mode="json"),
            "num_steps": self.num_steps,
            "steps_per_epoch": self.steps_per_epoch,
            "eval_every": self.eval_every,
        }


def plan_training(
    config: TrainingConfig,
    *,
    steps_per_epoch: int | None,
    recommended: RecommendedCycle | None = None,
    max_steps: int = 10**12,
    to_whole_cycles: bool = True,
) -> TrainingPlan:
    """What this request means with so many steps an epoch; None: nobody knows how many.

    max_steps: that may be trained now, beside those of the job that it resumes. to_whole_cycles: False leaves the
    budget as it is.
    Raises `BudgetRefused`, and pydantic's ValidationError where the schedule cannot be completed.
    """
    asked, resume_at = _asked(config, steps_per_epoch), config.resume_at
    step_size = _step_size(config, steps_per_epoch, recommended, asked)
    rates = {name: getattr(recommended, name, None) for name in ("base_lr", "max_lr")}
    probe = complete(config.schedule, **rates, step_size=step_size, num_steps=10**9)
    budget = resume_at + asked if asked else _cycles_asked(config, probe, step_size)
    if budget - resume_at > max_steps:
        raise BudgetRefused(f"more than the {max_steps} steps that one job may take")
    schedule = _fitting(config.schedule, rates, step_size, budget)
    num_steps = whole_cycles(schedule, budget, after=resume_at) if to_whole_cycles else budget
    by_rule = config.step_size_epochs is None and not _has_lengths(config)
    floored = short_epoch(steps_per_epoch, step_size) if by_rule and schedule.cycle_at(0) else []
    warnings = list(floored)
    if num_steps != budget and (floored or not _whole_by_epochs(config)):
        said = f"{budget} steps end inside a cycle of {schedule.policy}"
        if not config.round_to_cycles:
            raise BudgetRefused(f"{said}; the nearest whole cycles end at {num_steps}")
        warnings.append(f"{said}: rounded to whole cycles, {num_steps} steps")
    schedule = _fitting(config.schedule, rates, step_size, num_steps)
    if recommended is not None and not has_own_rates(config.schedule):
        suited = recommended.suit(schedule, num_steps)
        if suited != recommended:
            rates = {name: getattr(suited, name) for name in rates}
            schedule = _fitting(config.schedule, rates, step_size, num_steps)
            moved = "lowered" if suited.max_lr < recommended.max_lr else "raised"
            warnings.append(
                f"max_lr {moved} from {recommended.max_lr:.4g} to {suited.max_lr:.4g}, for {num_steps} steps of "
                f"{schedule.policy}: the range test's bounds for so long a training say why"
            )
    return TrainingPlan(
        schedule=schedule,
        step_size=step_size,
        num_steps=num_steps,
        steps_per_epoch=steps_per_epoch,
        eval_every=config.eval_every or max(1, (num_steps - resume_at) // LOOKS),
        first_step=resume_at,
        warnings=tuple(warnings),
    )


def whole_cycles(schedule: Schedule, num_steps: int, *, after: int = 0) -> int:
    """The nearest number of steps (> after) that ends a cycle; num_steps where there are none."""
    cycle = schedule.cycle_at(num_steps - 1)
    if cycle is None or cycle.stop <= after:
        return num_steps
    nearer_down = num_steps - cycle.start < cycle.stop - num_steps
    return cycle.start if cycle.start > after and nearer_down else cycle.stop


def _fitting(
    partial: Mapping[str, Any], rates: Mapping[str, float | None], step_size: int, num_steps: int
) -> Schedule:
    """The whole schedule of a budget; what cannot be completed for it is the budget's fault."""
    try:
        return complete(partial, **rates, step_size=step_size, num_steps=num_steps)
    except ValidationError as error:
        told = [f"{one['loc'][-1]} {one['msg'].removeprefix('Value error, ')}" for one in error.errors()]
        raise BudgetRefused(f"for {num_steps} steps {'; '.join(told)}") from None


def _asked(config: TrainingConfig, steps_per_epoch: int | None) -> int | None:
    """The budget in steps; None where it is one of cycles."""
    epochs = config.num_epochs
    if steps_per_epoch is None:
        if epochs is not None or config.step_size_epochs is not None:
            raise BudgetRefused("this workload's epoch has no known length: say it in steps or cycles")
        return config.num_steps
    return config.num_steps if epochs is None else count_steps(epochs, steps_per_epoch=steps_per_epoch)


def _step_size(
    config: TrainingConfig,
    steps_per_epoch: int | None,
    recommended: RecommendedCycle | None,
    asked: int | None,
) -> int:
    given = config.schedule.get("step_size")
    if given is not None:
        return int(given)
    if config.step_size_epochs is not None and steps_per_epoch is not None:
        return count_steps(config.step_size_epochs, steps_per_epoch=steps_per_epoch)
    if recommended is not None and (size := recommended.own_step_size(steps_per_epoch)):
        return size
    return half_cycle(steps_per_epoch, within=asked)


def _cycles_asked(config: TrainingConfig, schedule: Schedule, step_size: int) -> int:
    """The step after so many cycles."""
    resume_at = config.resume_at
    cycles = config.num_cycles or CYCLES
    if "num_steps" in type(schedule).model_fields and "num_steps" not in config.schedule:
        return resume_at + 2 * step_size * cycles  # one_cycle: as long as so many cycles of the others
    if getattr(schedule, "t_mult", 1) > 1:
        cycles = min(cycles, MOST_GROWN)
    before = 0
    if resume_at and (last := schedule.phase(resume_at - 1)) is not None:
        before = last[0]
    return schedule.length(before + cycles) or resume_at + 2 * step_size * cycles


def _whole_by_epochs(config: TrainingConfig) -> bool:
    """Whether the budget is whole cycles in epochs, which steps show only up to rounding."""
    if config.num_epochs is None or _has_lengths(config):
        return False
    cycles = config.num_epochs / (2 * (config.step_size_epochs or FEWEST_EPOCHS))
    return math.isclose(cycles, round(cycles)) and cycles > 0.5


def _has_lengths(config: TrainingConfig) -> bool:
    return any(name in config.schedule for name in LENGTHS)


def run_training(
    plan: TrainingPlan,
    step: Callable[[float], SupportsFloat],
    evaluate: Callable[[], tuple[float, float | None]],
    *,
    first_step: int | None = None,
    read_every: int = 1,
) -> Iterator[Point | HeldOut | CycleEnd]:
    """Train along the plan, yielding what is measured; ends early on a loss that is not finite.

    step: trains one batch at this lr and returns its loss before the update. evaluate: (held-out loss, accuracy or
    None). first_step: where to go on; default: the plan's. read_every: as for `run_sweep`.
    """
    begin = plan.first_step if first_step is None else first_step
    unread: list[tuple[int, float, SupportsFloat]] = []
    for number, cycle in plan.cycles():
        if cycle.stop <= begin:
            continue
        steps = range(max(begin, cycle.start), cycle.stop)
        lrs = [plan.schedule(index) for index in steps]  # all at once: hot code costs a fifth of cold
        for index, lr in zip(steps, lrs, strict=True):
            unread.append((index, lr, step(lr)))
            ended = index == cycle.stop - 1
            looking = ended or (index + 1) % plan.eval_every == 0
            if len(unread) < read_every and not looking:
                continue
            for point in (Point(at, used, float(loss)) for at, used, loss in unread):
                yield point
                if not math.isfinite(point.loss):
                    return
            unread.clear()
            if looking:
                held_out = HeldOut.from_answer(index, lr, evaluate())
                yield held_out
                if ended:
                    yield CycleEnd.of(number, held_out)
