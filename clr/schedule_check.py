"""The rate that each update of a training really used, recorded by a hook of the optimizer and held against a plan.

Nothing here imports torch: the optimizer's own hooks are all that is used.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from clr.applied_rates import RTOL, AppliedRates, check_rates, of_group
from clr.scheduler import Optimizer, parse_each

if TYPE_CHECKING:
    from clr.policies import Schedule


@dataclass(slots=True)
class _Group:
    first: int  # step
    applied: array = field(default_factory=lambda: array("d"))  # type: ignore[type-arg]


class check_schedule:
    """Record the rate of each update and say where it departs from a schedule: `with check_schedule(...) as check:`.

    It records from here to the end of the block, or until `remove()`, and changes nothing.
    schedule: as `Scheduler` takes it: one for all groups, times a group's `lr_scale`, or one per group.
    first_step: updates before this one, where a training goes on. An update that a fused optimizer skips for a
    GradScaler is not counted. Raises ValueError for an optimizer without torch's hooks, and for schedules that do not
    fit its groups.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedule: "Schedule | Mapping[str, Any] | Sequence[Schedule | Mapping[str, Any]]",
        *,
        first_step: int = 0,
    ) -> None:
        if not hasattr(optimizer, "register_step_pre_hook"):
            raise ValueError(
                "the optimizer has no hooks to record by: give the torch optimizer whose step() is called"
            )
        if first_step < 0:
            raise ValueError(f"first_step must be >= 0, the number of updates before; not {first_step}")
        self._optimizer = optimizer
        self._for_all = not isinstance(schedule, list | tuple)
        self._schedules = parse_each(optimizer, schedule)
        if len(self._schedules) != len(optimizer.param_groups):
            groups = len(optimizer.param_groups)
            raise ValueError(f"{groups} param groups need as many schedules, not {len(self._schedules)}")
        self._first_step = self._next = first_step
        self._groups: list[_Group] = []
        self._hook: Any = optimizer.register_step_pre_hook(self._record)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Record no more; the report stays."""
        self._hook.remove()

    def report(self, *, rtol: float = RTOL) -> AppliedRates:
        """What was recorded so far, of the first param group that departs. rtol: what is no departure, relative."""
        found = [
            check_rates(group.applied, self._plan(number), first_step=group.first, rtol=rtol)
            for number, group in enumerate(self._groups)
        ]
        wrong = next((number for number, one in enumerate(found) if not one.ok), None)
        if wrong is None:
            return found[0] if found else check_rates((), self._plan(0))
        return of_group(found[wrong], wrong) if len(found) > 1 else found[wrong]

    def plot(self, file: str | Path, *, group: int = 0) -> None:
        """Draw planned and applied rates of a param group to a file that ends in .svg, .png or .pdf."""
        path = Path(file)
        if path.suffix.lower() not in (".svg", ".png", ".pdf"):
            raise ValueError(f"{path.name} must end in .svg, .png or .pdf")
        if group >= len(self._groups):
            raise ValueError(f"there is nothing to draw: no update of param group {group} was seen")
        from clr.plots.applied_rates import draw_applied_rates  # noqa: PLC0415 - matplotlib, for drawing alone
        from clr.plots.style import render  # noqa: PLC0415 - as above

        recorded, plan = self._groups[group], self._plan(group)
        steps = range(recorded.first, recorded.first + len(recorded.applied))
        drawn = draw_applied_rates(steps, recorded.applied, plan, title=self.report().message)
        path.write_bytes(render(drawn, path.suffix[1:].lower()))  # type: ignore[arg-type]

    def raise_for_departure(self) -> None:
        """Raise RuntimeError with the report where the rates depart from the plan, or no update was seen."""
        found = self.report()
        if not found.ok:
            raise RuntimeError(str(found))

    def _record(self, optimizer: Any, *_: Any) -> None:
        if getattr(optimizer, "found_inf", False):  # a fused kernel will skip it
            return
        groups = optimizer.param_groups
        self._groups += [_Group(self._next) for _ in groups[len(self._groups) :]]
        for group, recorded in zip(groups, self._groups, strict=False):
            recorded.applied.append(float(group["lr"]))
        self._next += 1

    def _plan(self, number: int) -> Any:
        if not self._for_all and number >= len(self._schedules):
            raise ValueError(f"param group {number} was added and has no schedule: give one for all groups")
        schedule = self._schedules[0 if self._for_all else number]
        scale = self._optimizer.param_groups[number].get("lr_scale", 1.0)
        return lambda step: schedule(step) * scale
