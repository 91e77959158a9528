"""What a range test found, base_lr and max_lr or why there are none, and what one does with it.

They are read off the sweeps in clr/analysis.py. The library and the client of the service answer the same two types.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from html import escape
from operator import index
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, SupportsFloat, SupportsIndex

from clr.candidate import Candidate
from clr.collapse import Collapse
from clr.confirmation import Confirmation
from clr.cycles import CYCLES, Cycles, count_steps, cycles_for
from clr.records import pick_fields
from clr.sensitivity import Sensitivity
from clr.snippets import Framework, write_snippet
from clr.training_rates import TrainingRates, find_training_rates
from clr.turn import Turn

if TYPE_CHECKING:
    from clr.metric import SweepMetric
    from clr.picture_format import PictureFormat
    from clr.policies import Schedule
    from clr.sweep import Sweep

UNTOLD = {"metric": "loss", "floor": math.nan, "peak": math.nan}  # where a result has no evidence
IN_EVIDENCE = ("metric", "floor", "peak")  # fields that JSON holds seed by seed
MOST_STEPS = 10**12  # of a training
ANALYZER = "bounds@8"  # the version rises with every change of what is found on the same curve

Draw = Callable[["PictureFormat"], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The recommendation. Rates are > 0; max_lr_interval is 0.4 decades wide, or goes to where the ranges
    and the scout would have it alone; docs/bounds.md tells how often a rate in it loses at most 0.3 points.

    constant_lr: for training without cycles, the geometric mean of both: rates that suit the peak of a cycle lie one
    to three times above the best constant one.

    rule_base, rule_max: stable codes; reason_base, reason_max: a sentence each. evidence: what each seed said.
    metric: what the sweeps were read by, higher being better (a loss with its sign turned); floor, peak: its lowest
    and highest smoothed value, the median over the seeds that learned. In JSON `evidence` alone holds these three.
    step_size: steps in half a cycle. steps_per_epoch: None where unknown. sensitivity: None after a quick test.
    turn: how far a training may go until it overfits; None where accuracy decides and did not fall, where the training
    loss decides, and of old. collapse: what the probe did not bear; None where it bore all, or there was none.
    breaks_at: the rate at which the scout lost all that it had learned, or broke off; None where it did neither, or
    there was none, and of old.
    sweeps: what was measured; empty where a service keeps it.

    None where it was not asked for or is not known: confirmation, what training said of them with effort thorough;
    depends_on, the params, optimizer, batch_size and data that they were found for; cost, {"steps", "seconds",
    "unread_steps"}; for_budget, of a policy and a budget that were asked for the whole cycles that fit, {"num_steps",
    "step_size", "num_cycles"}, and what `for_training` answers, {"policy", "base_lr", "max_lr", "max_lr_interval",
    "constant_lr", "basis", "reason"}.
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
    metric: SweepMetric
    floor: float
    peak: float
    step_size: int
    steps_per_epoch: float | None
    warnings: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    sensitivity: Sensitivity | None
    analyzer: str = ANALYZER
    confirmation: Confirmation | None = None
    depends_on: dict[str, Any] | None = None
    cost: dict[str, float] | None = None
    turn: Turn | None = None
    breaks_at: float | None = None
    collapse: Collapse | None = None
    for_budget: dict[str, Any] | None = None
    sweeps: tuple[Sweep, ...] = field(default=(), repr=False, compare=False)
    draw: Draw | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, draw: Draw | None = None) -> Self:
        """Read what `to_dict` answers, what a job stores, or the body of `GET /range-tests/{id}/bounds`."""
        known, seeds = _known(cls, data), data["evidence"].get("seeds") or [UNTOLD]
        known["metric"] = seeds[0]["metric"]
        known |= {name: median(seed[name] for seed in seeds) for name in ("floor", "peak")}
        known |= {name: tuple(known[name]) for name in ("base_lr_interval", "max_lr_interval")}
        if known.get("sensitivity") is not None:
            known["sensitivity"] = Sensitivity.from_dict(known["sensitivity"])
        known.setdefault("sensitivity", None)
        if known.get("turn") is not None:
            known["turn"] = Turn.from_dict(known["turn"])
        if known.get("collapse") is not None:
            known["collapse"] = Collapse.from_dict(known["collapse"])
        if known.get("confirmation") is not None:
            known["confirmation"] = Confirmation.from_dict(known["confirmation"])
        if known.get("constant_lr") is None:  # of old
            known["constant_lr"] = math.sqrt(known["base_lr"] * known["max_lr"])
        return cls(**known, draw=draw)

    def __bool__(self) -> Literal[True]:
        return True

    def __str__(self) -> str:
        """Both rates with their intervals and reasons, those for a training that was told, and the warnings: a line
        each."""
        lines = []
        for name, lr, (low, high), reason in (
            ("base_lr", self.base_lr, self.base_lr_interval, self.reason_base),
            ("max_lr", self.max_lr, self.max_lr_interval, self.reason_max),
        ):
            spread = f" (between {low:.3g} and {high:.3g})" if low < high else ""
            lines.append(f"{name:<7} {lr:.3g}{spread}: {reason}")
        lines += _say_budget(self.for_budget)
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])

    def _repr_html_(self) -> str:
        return _as_html(self)

    def schedule(
        self, policy: str, *, num_steps: int | None = None, num_epochs: float | None = None, **parameters: Any
    ) -> Schedule:
        """A schedule within these bounds; with a budget, in steps or epochs, in whole cycles that fit it, and with the
        rates that `for_training` answers for it, unless one is told.

        parameters: the policy's own, to be as they are told. Raises ValueError for what is wrong or impossible, and
        for epochs where nobody knows how long one is.
        """
        from clr.partial_schedules import has_own_rates  # noqa: PLC0415 - the models of all policies, as below

        budget = self._budget(num_steps, num_epochs)
        if budget is None or has_own_rates(parameters):
            return self._schedule(policy, budget, parameters)
        rates = self.for_training(policy, num_steps=budget, **parameters)
        return self._schedule(policy, budget, parameters, factor=rates.max_lr / self.max_lr)

    def for_training(
        self, policy: str, *, num_steps: int | None = None, num_epochs: float | None = None, **parameters: Any
    ) -> TrainingRates:
        """base_lr and max_lr for a training of this budget under this policy, with what they rest on.

        Not those of the range test where so long a training does better with others. parameters: the policy's own but
        rates.
        Raises ValueError as `schedule` does, and without a budget.
        """
        from clr.partial_schedules import OWN_RATES, has_own_rates  # noqa: PLC0415 - as above

        if has_own_rates(parameters):
            raise ValueError(f"it answers rates: leave {', '.join(OWN_RATES)} out")
        budget = self._budget(num_steps, num_epochs)
        if budget is None:
            raise ValueError("give num_steps or num_epochs: the rates depend on how long the training is")
        return find_training_rates(
            lambda factor: self._schedule(policy, budget, parameters, factor=factor),
            num_steps=budget,
            steps_per_epoch=self.steps_per_epoch,
            base_lr=self.base_lr,
            max_lr=self.max_lr,
            max_lr_interval=self.max_lr_interval,
            metric=self.metric,
            breaks_at=self.breaks_at,
            turn=self.turn,
            collapse=self.collapse,
            confirmation=self.confirmation,
        )

    def fit_budget(
        self, policy: str, *, num_steps: int | None = None, num_epochs: float | None = None
    ) -> Self:
        """The same with `for_budget`. Raises ValueError as `for_training` does."""
        rates = self.for_training(policy, num_steps=num_steps, num_epochs=num_epochs)
        cycles = self._cycles(rates.num_steps)
        return replace(self, for_budget=asdict(rates) | asdict(cycles) | {"num_steps": cycles.num_steps})

    def _schedule(
        self, policy: str, budget: int | None, parameters: dict[str, Any], *, factor: float = 1.0
    ) -> Schedule:
        """Within these bounds times a factor. Raises ValueError."""
        from pydantic import ValidationError  # noqa: PLC0415 - the models of all policies, for those who play one

        from clr.partial_schedules import complete  # noqa: PLC0415 - as above
        from clr.refusals import in_words  # noqa: PLC0415 - as above

        cycles = self._cycles(budget)
        try:
            return complete(
                {"policy": policy, **parameters},
                base_lr=factor * self.base_lr,
                max_lr=factor * self.max_lr,
                step_size=cycles.step_size,
                num_steps=budget or cycles.num_steps,
            )
        except ValidationError as error:
            raise ValueError(in_words(error)) from None

    def snippet(
        self,
        policy: str = "triangular",
        *,
        num_steps: int | None = None,
        num_epochs: float | None = None,
        framework: Framework = "torch",
        **parameters: Any,
    ) -> str:
        """Code to paste that trains under `schedule(policy, ...)`: torch's own scheduler where it has such a one.

        Without a budget it is that of four cycles. framework: torch, keras, lightning or transformers. Raises
        ValueError as `schedule` does.
        """
        schedule = self.schedule(policy, num_steps=num_steps, num_epochs=num_epochs, **parameters)
        budget = self._budget(num_steps, num_epochs) or self._cycles(None).num_steps
        cycle = schedule.cycle_at(budget - 1)
        if cycle is not None and cycle.start and cycle.stop > budget:
            budget = cycle.start  # training ends where a cycle does
        return write_snippet(schedule, budget, framework=framework)

    def _budget(self, num_steps: int | None, num_epochs: float | None) -> int | None:
        """In steps; None where none is told."""
        if num_steps is not None and num_epochs is not None:
            raise ValueError("give num_steps or num_epochs, not both")
        if num_epochs is not None:
            if not isinstance(num_epochs, SupportsFloat) or not 0 < float(num_epochs) < math.inf:
                raise ValueError(f"num_epochs must be a number > 0, not {num_epochs!r}")
            if self.steps_per_epoch is None:
                raise ValueError("the loader has no length, so nobody knows an epoch's steps: give num_steps")
            if float(num_epochs) * self.steps_per_epoch > MOST_STEPS:
                raise ValueError(f"num_epochs must be at most {MOST_STEPS:g} steps, not {num_epochs!r}")
            return count_steps(float(num_epochs), steps_per_epoch=self.steps_per_epoch)
        if num_steps is not None and (
            not isinstance(num_steps, SupportsIndex) or not 1 <= index(num_steps) <= MOST_STEPS
        ):
            raise ValueError(f"num_steps must be a whole number from 1 to {MOST_STEPS:g}, not {num_steps!r}")
        return None if num_steps is None else index(num_steps)

    def _cycles(self, budget: int | None) -> Cycles:
        """Those that fit a budget of steps; four of the recommended length without one."""
        if budget is None:
            return Cycles(self.step_size, CYCLES)
        return cycles_for(budget, steps_per_epoch=self.steps_per_epoch)

    def search_space(self) -> tuple[float, float]:
        """(low, high) > 0 for a search on the log scale: the interval of max_lr, widened by 2 on each side."""
        low, high = self.max_lr_interval
        return low / 2, 2 * high

    def plot(self, file: str | Path) -> None:
        """Draw the sweeps with both bounds to a file that ends in .svg, .png or .pdf. Raises ValueError for another,
        and where nobody has the sweeps."""
        _plot(self, file)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it, without the sweeps."""
        return _as_dict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inconclusive:
    """No trustworthy bounds: why (a stable code), in a sentence, and what to try next. It is false, as in `if bounds:`.

    next_experiment: {"message": a sentence, "request": the fields to POST again}. warnings: what may have bent it.
    To ask it for a rate raises an AttributeError that says the same.
    """

    why: str
    message: str
    next_experiment: dict[str, Any]
    candidates: tuple[Candidate, ...]
    warnings: tuple[str, ...] = ()
    analyzer: str = ANALYZER
    sweeps: tuple[Sweep, ...] = field(default=(), repr=False, compare=False)
    draw: Draw | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, draw: Draw | None = None) -> Self:
        """Read what `to_dict` answers, what a job stores, or the 409 problem `inconclusive` of the service."""
        return cls(**{"message": data.get("detail", ""), "candidates": (), **_known(cls, data)}, draw=draw)

    def __bool__(self) -> Literal[False]:
        return False

    def __getattr__(self, name: str) -> NoReturn:
        if name in _FIELDS_OF_BOUNDS:
            raise AttributeError(f"there is no {name}; {self}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __str__(self) -> str:
        """Why, and what to try next; then the warnings, a line each."""
        lines = [f"inconclusive ({self.why}): {self.message}"]
        if message := self.next_experiment.get("message"):
            lines.append(f"next: {message}")
        return "\n".join([*lines, *(f"warning: {warning}" for warning in self.warnings)])

    def _repr_html_(self) -> str:
        return _as_html(self)

    def for_training(self, policy: str, **_: Any) -> NoReturn:
        """As `schedule`: raises ValueError."""
        raise ValueError(f"there are no bounds for a training; {self}")

    def schedule(self, policy: str, **_: Any) -> NoReturn:
        """There are no rates to make one of: raises ValueError that says why, as `Bounds.schedule` does."""
        raise ValueError(f"there are no bounds to make a schedule of; {self}")

    def snippet(self, policy: str = "triangular", **_: Any) -> NoReturn:
        """As `schedule`: raises ValueError."""
        raise ValueError(f"there are no bounds to write code for; {self}")

    def search_space(self) -> NoReturn:
        """As `schedule`: raises ValueError."""
        raise ValueError(f"there are no bounds to search between; {self}")

    def plot(self, file: str | Path) -> None:
        """Draw the sweeps to a file that ends in .svg, .png or .pdf, as `Bounds.plot` does."""
        _plot(self, file)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it, without the sweeps."""
        return _as_dict(self)


def read_answer(result: Mapping[str, Any]) -> Bounds | Inconclusive:
    """What the stored result of a range test says."""
    return Inconclusive.from_dict(result) if "why" in result else Bounds.from_dict(result)


def summarize(answer: Bounds | Inconclusive) -> str:
    """Both rates, or why there are none, as a title has it."""
    if isinstance(answer, Inconclusive):
        return f"inconclusive: {answer.why}"
    return f"base_lr {answer.base_lr:.3g}, max_lr {answer.max_lr:.3g}"


_FIELDS_OF_BOUNDS = {field.name for field in fields(Bounds)}
_OPTIONAL = ("confirmation", "depends_on", "cost", "for_budget")


def _known(kind: type[Bounds] | type[Inconclusive], data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that `data` has, its lists as tuples."""
    known = pick_fields(kind, data)
    if "candidates" in known:
        known["candidates"] = tuple(
            Candidate(**pick_fields(Candidate, candidate)) for candidate in known["candidates"]
        )
    if "warnings" in known:
        known["warnings"] = tuple(known["warnings"])
    return known


def _say_budget(budget: Mapping[str, Any] | None) -> list[str]:
    """The rates for a training, what they rest on and why; an older service tells none."""
    if budget is None or "policy" not in budget:
        return []
    rates = "base_lr {base_lr:.3g}, max_lr {max_lr:.3g}"
    if budget["policy"] == "fixed":
        rates = "constant_lr {constant_lr:.3g}"
    return [f"for {{num_steps:,}} steps of {{policy}}: {rates} ({{basis}}): {{reason}}".format(**budget)]


def _as_dict(answer: Bounds | Inconclusive) -> dict[str, Any]:
    values = asdict(replace(answer, sweeps=(), draw=None))
    for name in ("sweeps", "draw", *IN_EVIDENCE):
        values.pop(name, None)
    values |= {name: list(values[name]) for name in ("candidates", "warnings")}
    return {name: value for name, value in values.items() if value is not None or name not in _OPTIONAL}


def _as_html(answer: Bounds | Inconclusive) -> str:
    try:
        drawn = _drawn(answer, "svg").decode() if answer.sweeps or answer.draw else ""
        picture = drawn[drawn.find("<svg") :]  # without the head of a file of its own
    except Exception as error:  # whoever draws it: what was found must show all the same
        picture = f"<p>there is no picture: {escape(str(error))}</p>"
    return f"<pre>{escape(str(answer))}</pre>{picture}"


def _plot(answer: Bounds | Inconclusive, file: str | Path) -> None:
    path = Path(file)
    match path.suffix.lower():
        case ".svg" | ".png" | ".pdf" as ending:
            format: PictureFormat = ending[1:]  # type: ignore[assignment]
            path.write_bytes(_drawn(answer, format))
        case _:
            raise ValueError(f"{path.name} must end in .svg, .png or .pdf")


def _drawn(answer: Bounds | Inconclusive, format: PictureFormat) -> bytes:
    if answer.draw is not None:
        return answer.draw(format)
    if not answer.sweeps:
        raise ValueError("the sweeps are not here to be drawn: they stayed where these bounds were read")
    from clr.plots.range_test import draw_range_test  # noqa: PLC0415 - matplotlib, for those who draw
    from clr.plots.style import render  # noqa: PLC0415 - as above

    return render(
        draw_range_test(answer.sweeps, answer or None, title=f"Range test: {summarize(answer)}"), format
    )
