"""The rates that a training really applied, told against its schedule: a pure function of both.

A rate is as planned where it is within `rtol` of the plan, relative: schedulers of torch round, tensors too.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

from clr.step_mistakes import ONCE, ONLY_AFTER_UPDATES, list_mistakes

RTOL = 1e-6  # of float32 and of rounding that adds up
PROBES = 16  # rates that a mistake has to explain before all are looked at
WINDOW = 2000  # updates after the first departure that are followed one by one
FARTHEST = 32  # steps of the plan that one update may pass over there
ROUNDED = 0.02  # of a rate: what a file may have rounded off


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedRates:
    """What was found: `ok`, or where the rates first depart from the plan, why, and what to do.

    problem: a stable code, None where all is as planned. step: the update that departs first, counted as the plan
    counts; planned_lr and applied_lr: its rates. group: the param group, where there are several.
    """

    num_updates: int
    problem: str | None = None
    message: str
    advice: str = ""
    step: int | None = None
    planned_lr: float | None = None
    applied_lr: float | None = None
    group: int | None = None

    @property
    def ok(self) -> bool:
        """Whether every update used the planned rate."""
        return self.problem is None

    def __str__(self) -> str:
        if self.step is None:
            return ": ".join(filter(None, (self.message, self.advice)))
        group = "" if self.group is None else f"param group {self.group}: "
        where = f"step {self.step} planned {self.planned_lr:.6g}, applied {self.applied_lr:.6g}"
        return f"{group}{self.message}\nfirst departure: {where}; {_count(self.num_updates)}\n{self.advice}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"ok": self.ok, **asdict(self)}


def check_rates(
    applied: Sequence[float],
    schedule: Callable[[int], float],
    *,
    steps: Sequence[int] | None = None,
    first_step: int = 0,
    rtol: float = RTOL,
) -> AppliedRates:
    """Compare the rates of updates with a schedule, and name the mistake of the loop.

    steps: the updates that have them, ascending; default: first_step, first_step + 1 ... first_step: where the
    training began or went on, steps[0] or before.
    """
    if not applied:
        advice = "give the optimizer whose step() is called, not one that wraps it"
        return AppliedRates(num_updates=0, problem="no_updates", message="no update was seen", advice=advice)
    steps = range(first_step, first_step + len(applied)) if steps is None else steps
    return _Comparison(applied, schedule, steps, first_step, rtol).explain()


def _count(number: int) -> str:
    return f"{number:,} update{'s' * (number != 1)}"


class _Comparison:
    def __init__(
        self,
        applied: Sequence[float],
        schedule: Callable[[int], float],
        steps: Sequence[int],
        first: int,
        rtol: float,
    ) -> None:
        self.applied, self.steps, self.first, self.rtol = applied, steps, first, rtol
        self.plan = lru_cache(maxsize=1 << 16)(schedule)
        self.atol = 1e-9 * max((abs(lr) for lr in applied if math.isfinite(lr)), default=0.0)
        self.changes = [at for at, (one, next) in enumerate(pairwise(applied), 1) if one != next]

    def same(self, one: float, other: float) -> bool:
        return math.isclose(one, other, rel_tol=self.rtol, abs_tol=self.atol)

    def is_planned(self, at: int, step: int) -> bool:
        return step >= 0 and self.same(self.applied[at], self.plan(step))

    def explain(self) -> AppliedRates:
        departs = next((at for at, step in enumerate(self.steps) if not self.is_planned(at, step)), None)
        num_updates = len(self.applied)
        if departs is None:
            message = f"{_count(num_updates)}, {'all ' * (num_updates > 1)}at the planned rate"
            return AppliedRates(num_updates=num_updates, message=message)
        code, message, advice = (
            self._constant()
            or self._mistake(departs)
            or self._proportional()
            or self._irregular(departs)
            or self._rounded()
            or (
                "unknown",
                "the rates are not those of the schedule, and no known mistake explains them",
                "is it the same schedule, with the same parameters? does something else set the rate?",
            )
        )
        return AppliedRates(
            num_updates=num_updates,
            problem=code,
            message=message,
            advice=advice,
            step=self.steps[departs],
            planned_lr=self.plan(self.steps[departs]),
            applied_lr=self.applied[departs],
        )

    def _constant(self) -> tuple[str, str, str] | None:
        if self.changes or len(self.applied) < 2:
            return None
        if self.is_planned(0, self.first):
            message = f"the schedule was not stepped: {_count(len(self.applied))} at one rate"
            return "not_stepped", message, f"{ONCE}; once per epoch looks so before the first one ends"
        message = (
            f"the rate never changes, and is not the schedule's: {_count(len(self.applied))} at one rate"
        )
        return "not_stepped", message, f"make the scheduler with this optimizer, and {ONCE}"

    def _mistake(self, departs: int) -> tuple[str, str, str] | None:
        """The simplest mistake that explains every rate."""
        near = [
            departs,
            len(self.applied) - 1,
            *self.changes[: PROBES // 2],
            *(at - 1 for at in self.changes),
        ]
        probes = near[:PROBES]
        seen = range(self.steps[0], self.steps[-1] + 1)
        for mistake in list_mistakes(self.first, seen, self._epochs(), self.steps[departs]):
            index = mistake.index
            if all(self.is_planned(at, index(self.steps[at])) for at in probes) and all(
                self.is_planned(at, index(step)) for at, step in enumerate(self.steps)
            ):
                return mistake.code, mistake.what, mistake.advice
        return None

    def _epochs(self) -> list[int]:
        """The lengths that an epoch may have."""
        if len(self.applied) == self.steps[-1] - self.steps[0] + 1:
            return sorted({end - begin for begin, end in pairwise([0, *self.changes[:4]]) if end - begin > 1})
        return list(range(2, self.steps[-1] + 1))

    def _proportional(self) -> tuple[str, str, str] | None:
        planned = [self.plan(step) for step in self.steps]
        at = max(range(len(planned)), key=planned.__getitem__)
        factor = self.applied[at] / planned[at] if planned[at] else 0.0
        pairs = list(zip(self.applied, planned, strict=True))
        if len(pairs) > 2 and all(self.same(lr, factor * plan) for lr, plan in pairs):
            advice = (
                "a factor of LambdaLR multiplies the optimizer's lr (ct.as_lambda_lr wants it as initial_lr); "
                "a group with a share of the rate says so as lr_scale"
            )
            return "scaled", f"every rate is {factor:.6g} times the planned one", advice
        return None

    def _rounded(self) -> tuple[str, str, str] | None:
        pairs = [(lr, self.plan(step)) for lr, step in zip(self.applied, self.steps, strict=True)]
        if all(math.isclose(lr, plan, rel_tol=ROUNDED, abs_tol=self.atol) for lr, plan in pairs):
            off = max(abs(lr / plan - 1) for lr, plan in pairs if plan)
            return (
                "rounded",
                f"every rate is within {off:.2g} of the planned one, relative",
                f"if they were rounded as they were written, allow for it: rtol {2 * off:.1g}",
            )
        return None

    def _irregular(self, departs: int) -> tuple[str, str, str] | None:
        """The steps of the plan that were passed over or used again, where no rule holds."""
        if len(self.applied) != self.steps[-1] - self.steps[0] + 1:
            return None
        path = self._follow(departs)
        if path is None:
            return None
        strides = [after - before for before, after in pairwise(path)]
        passed, again = [s for s in strides if s > 1], strides.count(0)
        if passed and again:
            return None
        regular = strides.count(1) >= len(strides) / 2
        if passed and regular:
            message = f"{sum(passed) - len(passed)} steps of the schedule were passed over without an update"
            return "stepped_without_update", message, ONLY_AFTER_UPDATES
        if passed:
            return "several_per_update", "the schedule is stepped several times per update", ONCE
        if regular:
            message = f"the schedule was not stepped after {_count(again)}"
            return "missed", message, ONCE
        message = "the schedule is stepped once in many updates, as per epoch"
        return "per_epoch", message, f"{ONCE}, not per epoch"

    def _follow(self, departs: int) -> list[int] | None:
        """The plan's step of each update from the one before the departure on, with the fewest irregular strides."""
        begin = self.steps[departs] - 1
        cheapest = {begin: 0}
        came_from: list[dict[int, int]] = []
        for at in range(departs, min(departs + WINDOW, len(self.applied))):
            here: dict[int, tuple[int, int]] = {}
            for step in range(min(cheapest), max(cheapest) + FARTHEST + 1):
                if self.is_planned(at, step):
                    ways = [
                        (cost + (step != before + 1), before)
                        for before, cost in cheapest.items()
                        if 0 <= step - before <= FARTHEST
                    ]
                    if ways:
                        here[step] = min(ways)
            if not here:
                return None
            cheapest = {step: cost for step, (cost, _) in here.items()}
            came_from.append({step: before for step, (_, before) in here.items()})
        path = [min(cheapest, key=cheapest.__getitem__)]
        for ways_back in reversed(came_from):
            path.append(ways_back[path[-1]])
        return path[::-1]


def of_group(found: AppliedRates, group: int) -> AppliedRates:
    """The same, said of one of several param groups."""
    return replace(found, group=group)
