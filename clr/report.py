"""What a caller reports of a run that its own process measures: merged row by row, so that repeats change nothing.

A pure function of the plan, of what was received before, and of the report: how rows were batched makes no difference.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from clr.policies import parse_schedule
from clr.sweep import Divergence, HeldOut, Point, SweepPlan, is_sweep

SAME_RATE = 1e-6  # relative: a rate may have been a float32 on its way


class ReportRefused(ValueError):
    """A report that does not fit what was planned, or what was received before; `code` is stable."""

    def __init__(self, code: str, message: str, *, step: int) -> None:
        super().__init__(message)
        self.code, self.step = code, step


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Losses of the steps from `from_step` on, NaN where one is not finite, and looks in step order.

    lr: the rates that were used, only to be compared with the plan's. looks: (step, loss, accuracy or None).
    """

    from_step: int
    loss: Sequence[float]
    lr: Sequence[float] | None = None
    looks: Sequence[tuple[int, float, float | None]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What came before: steps 0 .. up_to - 1, the last of which may have diverged.

    losses, looks: by step, at least those that the next report repeats.
    """

    up_to: int = 0
    diverged: bool = False
    losses: Mapping[int, float] = field(default_factory=dict)
    looks: Mapping[int, HeldOut] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Planned:
    """What a caller was asked to measure: the rate of each of `num_steps` steps.

    divergence: of a sweep; it must have seen all losses before. None of a training, whose losses may be anything
    finite.
    """

    lr: Callable[[int], float]
    num_steps: int
    divergence: Divergence | None = None

    @classmethod
    def of(cls, plan: Mapping[str, Any], *, kept: Sequence[str] = ()) -> Self:
        """Of a stored plan. kept: what the divergence kept of the losses that were received."""
        if is_sweep(plan):
            sweep = SweepPlan(**plan)
            return cls(sweep.lr, sweep.num_steps, Divergence(kept))
        return cls(parse_schedule(plan["schedule"]), plan["num_steps"])

    def judge(self, loss: float) -> bool:
        """Take the next loss, in step order; whether the run diverged with it."""
        return self.divergence.judge(loss) if self.divergence else not math.isfinite(loss)


def describe_plan(plan: SweepPlan) -> dict[str, Any]:
    """A sweep's plan in the words of who asks for it and who gives it out; its rates follow from it."""
    fields = asdict(plan)
    return fields | {"look_every": fields.pop("eval_every")}


@dataclass(frozen=True, slots=True)
class News:
    """The rows of a report that nobody had sent before, and whether the run ends with them."""

    points: list[Point]
    looks: list[HeldOut]
    diverged: bool


def find_news(report: Report, received: Received, planned: Planned) -> News:
    """What a report adds; after the step that diverged nothing is read.

    Raises `ReportRefused`: gap, beyond_plan, rates_differ, values_differ, look_ahead, look_too_late.
    """
    if report.from_step > received.up_to and not received.diverged:
        raise ReportRefused(
            "gap",
            f"steps {received.up_to} to {report.from_step - 1} are missing: send them first",
            step=received.up_to,
        )
    end = report.from_step + len(report.loss)
    if end > (num_steps := planned.num_steps):
        last = f"the plan has {num_steps} steps: the last is {num_steps - 1}"
        raise ReportRefused("beyond_plan", last, step=num_steps)
    points, diverged = list[Point](), received.diverged
    for index, loss in enumerate(report.loss):
        step = report.from_step + index
        if report.lr is not None:
            _compare_rates(step, report.lr[index], planned.lr(step))
        if step < received.up_to:
            _compare(step, "loss", loss, received.losses[step])
        elif not diverged:
            points.append(Point(step, planned.lr(step), loss))
            diverged = planned.judge(loss)
    up_to = received.up_to + len(points)
    return News(points, _find_looks(report, received, planned.lr, up_to=up_to, diverged=diverged), diverged)


def _find_looks(
    report: Report, received: Received, lr: Callable[[int], float], *, up_to: int, diverged: bool
) -> list[HeldOut]:
    """The new ones; none after the step that diverged, whose weights have gone."""
    looks, last = list[HeldOut](), max(received.looks, default=-1)
    for step, loss, accuracy in report.looks:
        if diverged and step >= up_to - 1:
            break
        if step >= up_to:
            raise ReportRefused(
                "look_ahead", f"a look after step {step}, of which no loss was received", step=step
            )
        if step in received.looks:
            earlier = received.looks[step]
            _compare(step, "held_out loss", loss, earlier.loss)
            _compare(step, "held_out accuracy", _number(accuracy), _number(earlier.accuracy))
        elif step <= last:
            raise ReportRefused(
                "look_too_late",
                f"a look after step {step}, but one after step {last} was received: they come in order",
                step=step,
            )
        else:
            looks.append(HeldOut.from_answer(step, lr(step), (loss, accuracy)))
            last = step
    return looks


def _compare_rates(step: int, used: float, planned: float) -> None:
    if not math.isclose(used, planned, rel_tol=SAME_RATE):
        raise ReportRefused(
            "rates_differ", f"step {step} used the rate {used:.9g}, its plan says {planned:.9g}", step=step
        )


def _compare(step: int, name: str, value: float, earlier: float) -> None:
    if value != earlier and not (math.isnan(value) and not math.isfinite(earlier)):
        raise ReportRefused(
            "values_differ",
            f"the {name} of step {step} is {value:.9g}, and was {earlier:.9g} when it was received first",
            step=step,
        )


def _number(accuracy: float | None) -> float:
    return math.nan if accuracy is None else accuracy
