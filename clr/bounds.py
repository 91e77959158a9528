"""What a range test found, base_lr and max_lr or why there are none, and what one does with it.

They are read off the sweeps in clr/reading.py.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from clr.candidates import Candidate
from clr.cycles import CYCLES, Cycles, cycles_for
from clr.partial_schedules import complete
from clr.plateau import Metric
from clr.policies import Schedule
from clr.sensitivity import Sensitivity
from clr.sweep import Sweep

IN_EVIDENCE = ("metric", "floor", "peak")  # fields that JSON holds seed by seed
ANALYZER = "bounds@3"  # the version rises with every change of what is found on the same curve


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The recommendation. Rates are > 0; an interval is (lowest, highest) over seeds, ranges and the scout's reading.

    constant_lr: for training without cycles, the geometric mean of both: rates that suit the peak of a cycle lie one
    to three times above the best constant one.

    rule_base, rule_max: stable codes; reason_base, reason_max: a sentence each. evidence: what each seed said.
    step_size: steps in half a cycle. steps_per_epoch: None where unknown. sensitivity: None after a quick test.
    sweeps: what was measured. metric: what the sweeps were read by; floor, peak: the lowest and the highest smoothed
    score, higher is better, the median over the seeds that learned; NaN where an old result does not hold them. These
    three are no keys of their own in JSON, where `evidence` holds them seed by seed.
    """

    base_lr: float
    max_lr: float
    constant_lr: float
    base_lr_interval: tuple[float, float]
    max_lr_interval: tuple[float, float]
    rule_base: str
    rule_max: str
    reason_base: str
    reason_max: str
    evidence: dict[str, Any]
    step_size: int
    steps_per_epoch: float | None
    warnings: list[str]
    candidates: list[Candidate]
    sensitivity: Sensitivity | None
    analyzer: str = ANALYZER
    metric: Metric = "loss"
    floor: float = math.nan
    peak: float = math.nan
    sweeps: tuple[Sweep, ...] = field(default=(), repr=False, compare=False)

    def __str__(self) -> str:
        """Both rates with their intervals and reasons, and the warnings: a line each."""
        lines = []
        for name, lr, (low, high), reason in (
            ("base_lr", self.base_lr, self.base_lr_interval, self.reason_base),
            ("max_lr", self.max_lr, self.max_lr_interval, self.reason_max),
        ):
            spread = f" (between {low:.3g} and {high:.3g})" if low < high else ""
            lines.append(f"{name:<7} {lr:.3g}{spread}: {reason}")
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])

    def schedule(
        self, policy: str, *, num_steps: int | None = None, num_epochs: float | None = None, **parameters: Any
    ) -> Schedule:
        """A schedule within these bounds; with a budget, in steps or epochs, in whole cycles that fit it.

        parameters: the policy's own, to be as they are told. Raises ValueError for what is wrong or impossible, and
        for epochs where nobody knows how long one is.
        """
        if num_steps is not None and num_epochs is not None:
            raise ValueError("give num_steps or num_epochs, not both")
        if num_epochs is not None:
            if self.steps_per_epoch is None:
                raise ValueError("the loader has no length, so nobody knows an epoch's steps: give num_steps")
            num_steps = round(num_epochs * self.steps_per_epoch)
        if num_steps is not None and num_steps < 1:
            raise ValueError("the budget must be one step at least")
        cycles = (
            Cycles(self.step_size, CYCLES)
            if num_steps is None
            else cycles_for(num_steps, steps_per_epoch=self.steps_per_epoch)
        )
        return complete(
            {"policy": policy, **parameters},
            base_lr=self.base_lr,
            max_lr=self.max_lr,
            step_size=cycles.step_size,
            num_steps=num_steps or cycles.num_steps,
        )

    def search_space(self) -> tuple[float, float]:
        """(low, high) > 0 for a search on the log scale: the interval of max_lr, widened by 2 on each side."""
        low, high = self.max_lr_interval
        return low / 2, 2 * high

    def plot(self, file: str | Path) -> None:
        """Draw the sweeps with both bounds to a file that ends in .svg or .png. Raises ValueError for another."""
        _draw(Path(file), self.sweeps, self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it, without the sweeps, and without what the evidence holds."""
        values = _without_sweeps(self)
        for name in IN_EVIDENCE:
            del values[name]
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Inconclusive:
    """No trustworthy bounds: why (a stable code), in a sentence, and what to try next.

    next_experiment: {"message": a sentence, "request": the fields to POST again}. warnings: what may have bent it.
    """

    why: str
    message: str
    next_experiment: dict[str, Any]
    candidates: list[Candidate]
    warnings: list[str] = field(default_factory=list)
    analyzer: str = ANALYZER
    sweeps: tuple[Sweep, ...] = field(default=(), repr=False, compare=False)

    def __str__(self) -> str:
        """Why, and what to try next; then the warnings, a line each."""
        told = [f"inconclusive ({self.why}): {self.message}", f"next: {self.next_experiment['message']}"]
        return "\n".join([*told, *(f"warning: {warning}" for warning in self.warnings)])

    def schedule(self, policy: str, **_: Any) -> NoReturn:
        """There are no rates to make one of: raises ValueError that says why, as `Bounds.schedule` does."""
        raise ValueError(f"there are no bounds to make a schedule of; {self}")

    def plot(self, file: str | Path) -> None:
        """Draw the sweeps to a file that ends in .svg or .png. Raises ValueError for another."""
        _draw(Path(file), self.sweeps, self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it, without the sweeps."""
        return _without_sweeps(self)


def _without_sweeps(found: Bounds | Inconclusive) -> dict[str, Any]:
    values = asdict(replace(found, sweeps=()))
    del values["sweeps"]
    return values


def _draw(file: Path, sweeps: Sequence[Sweep], found: dict[str, Any]) -> None:
    from clr.plots.range_test import figure, render  # noqa: PLC0415 - matplotlib, for those who draw

    match file.suffix.lower():
        case ".svg" | ".png" as ending:
            drawn = figure(sweeps, found, title="range test")
            file.write_bytes(render(drawn, "svg" if ending == ".svg" else "png"))
        case _:
            raise ValueError(f"{file.name} must end in .svg or .png")
