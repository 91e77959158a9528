"""One sweep of the LR range test (Smith 2017, section 3.3), point by point.

A generator that knows neither torch nor a server: progress, cancelling and recording are its caller's loop.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, Protocol, Self, SupportsFloat, TypeVar, get_args

from clr.results import BadResults, find_end, numbers, require_rising
from clr.schedules import exponential, linear

Shape = Literal["exponential", "linear"]
Phase = Literal["scout", "test", "probe"]
Effort = Literal["quick", "standard", "thorough"]

Plan = TypeVar("Plan")
ROUNDING = 1e-6  # of a mean of float32
FEWEST_RESULTS = 12  # steps of a curve that somebody else measured

SHAPES: dict[Shape, Callable[..., float]] = {"exponential": exponential, "linear": linear}


@dataclass(frozen=True, slots=True)
class Point:
    """One update: the rate it used, and the batch's loss before it."""

    step: int
    lr: float
    loss: float


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The held-out set after the update of `step`; accuracy in [0, 1], None where there are no classes."""

    step: int
    lr: float
    loss: float
    accuracy: float | None

    @classmethod
    def from_answer(cls, step: int, lr: float, answer: Any) -> Self:
        """Read what `evaluate` answered. Raises ValueError unless it is (loss, accuracy in [0, 1] or None).

        A loss that is not finite excuses an accuracy of NaN: the model has gone.
        """
        try:
            loss, accuracy = answer
            loss, accuracy = float(loss), None if accuracy is None else float(accuracy)
        except (TypeError, ValueError, RuntimeError):
            raise ValueError(
                "evaluate must answer two numbers, (loss, accuracy), or (loss, None) where there are no classes; "
                f"got {answer!r}"
            ) from None
        gone = not math.isfinite(loss) and accuracy is not None and math.isnan(accuracy)
        if accuracy is not None and not gone and not -ROUNDING <= accuracy <= 1 + ROUNDING:
            raise ValueError(
                f"accuracy must lie in [0, 1], got {accuracy:g}: evaluate answers the share that is right, not "
                "percent; any other measure belongs into the loss"
            )
        return cls(step, lr, loss, accuracy)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """One upward pass of lr for one seed; the held-out set is looked at after the first step, every `eval_every` steps
    and after the last.

    sweep: counts the ranges of one range test, so that (sweep, seed) names a pass.
    """

    start_lr: float
    end_lr: float
    num_steps: int
    eval_every: int = 4
    shape: Shape = "linear"
    phase: Phase = "test"
    sweep: int = 0
    seed: int = 0

    def lr(self, step: int) -> float:
        """The rate of this step."""
        return SHAPES[self.shape](step, start_lr=self.start_lr, end_lr=self.end_lr, num_steps=self.num_steps)

    def looks_after(self, step: int) -> bool:
        """Whether the held-out set is looked at after this step."""
        return step in (0, self.num_steps - 1) or (step + 1) % self.eval_every == 0


@dataclass(frozen=True, slots=True)
class Measured(Generic[Plan]):
    """A plan and what was measured of it, in step order."""

    plan: Plan
    points: list[Point] = field(default_factory=list)
    held_out: list[HeldOut] = field(default_factory=list)

    def add(self, measured: Point | HeldOut) -> None:
        """Take the next measurement."""
        if isinstance(measured, Point):
            self.points.append(measured)
        else:
            self.held_out.append(measured)


@dataclass(frozen=True, slots=True)
class Sweep(Measured[SweepPlan]):
    """One pass as it was measured."""

    @property
    def broke_off(self) -> bool:
        """Whether it ended before its plan did."""
        return not self.points or self.points[-1].step < self.plan.num_steps - 1

    @classmethod
    def from_columns(cls, plan: Mapping[str, Any], series: Mapping[str, Mapping[str, Any]]) -> Self:
        """Read a stored sweep: the plan's fields, and its columns."""
        return cls(SweepPlan(**plan), *read_columns(series))

    @classmethod
    def from_results(
        cls,
        lr: Iterable[SupportsFloat],
        loss: Iterable[SupportsFloat],
        *,
        held_out: Mapping[str, Iterable[Any]] | None = None,
        seed: int = 0,
    ) -> Self:
        """A sweep that somebody else measured: rising rates, and the loss of each batch.

        `from_results(**finder.history)` of torch-lr-finder, `from_results(**tuner.lr_find(model).results)` of
        Lightning, `from_results(learn.recorder.lrs, learn.recorder.losses)` of fastai. held_out: {"step", "loss",
        "accuracy" in [0, 1] if there is one}. seed: another one for each of several sweeps. What comes after a loss
        that is not finite is left out, with a warning where it is finite again.
        Raises `BadResults` that says what is wrong, and where.
        """
        lrs, losses = numbers("lr", lr), numbers("loss", loss)
        if len(lrs) != len(losses):
            raise BadResults(
                f"has {len(losses)} values, lr has {len(lrs)}: there is one of each step", "loss"
            )
        if len(lrs) < FEWEST_RESULTS:
            raise BadResults(f"has {len(lrs)} values: {FEWEST_RESULTS} are the fewest that can be read", "lr")
        require_rising("lr", lrs, lowest=0.0)
        looks = _looks(held_out or {}, lrs)
        shape = _shape_of(lrs[1:])
        if lrs[0] == 0 and shape == "exponential":  # a rate of 0 trains nothing, and has no logarithm
            lrs, losses = lrs[1:], losses[1:]
            looks = [replace(look, step=look.step - 1) for look in looks if look.step]
        plan = SweepPlan(
            start_lr=lrs[0],
            end_lr=lrs[-1],
            num_steps=len(lrs),
            shape=shape,
            phase="scout" if shape == "exponential" else "test",
            seed=seed,
        )
        end, left_out = find_end(losses)
        if left_out:
            warning = f"the loss of step {end} is not finite: {left_out} finite ones after it are left out"
            warnings.warn(warning, stacklevel=2)
        points = [Point(step, lrs[step], losses[step]) for step in range(end + 1)]
        return cls(plan, points, [look for look in looks if look.step <= end])


def _shape_of(lrs: Sequence[float]) -> Shape:
    """By its middle: near the geometric or the arithmetic mean of its ends."""
    first, middle, last = lrs[0], lrs[(len(lrs) - 1) // 2], lrs[-1]
    return "exponential" if middle < math.sqrt(math.sqrt(first * last) * (first + last) / 2) else "linear"


def _looks(held_out: Mapping[str, Iterable[Any]], lrs: Sequence[float]) -> list[HeldOut]:
    if not held_out:
        return []
    for name in held_out:
        if name not in ("step", "loss", "accuracy"):
            raise BadResults(
                "is unknown: held_out has step, loss, and accuracy if there is one", "held_out", name
            )
    for name in ("step", "loss"):
        if name not in held_out:
            raise BadResults(
                "is missing: held_out has step, loss, and accuracy if there is one", "held_out", name
            )
    steps, losses = (numbers(name, held_out[name], "held_out") for name in ("step", "loss"))
    shares = held_out.get("accuracy")
    accuracies = [None] * len(steps) if shares is None else numbers("accuracy", shares, "held_out")
    for name, values in (("loss", losses), ("accuracy", accuracies)):
        if len(values) != len(steps):
            raise BadResults(f"has {len(values)} values, step has {len(steps)}", "held_out", name)
    require_rising("step", steps, "held_out", lowest=0.0)
    looks = []
    for index, (step, loss, accuracy) in enumerate(zip(steps, losses, accuracies, strict=True)):
        if step != int(step) or step >= len(lrs):
            raise BadResults(f"must be a step, 0 to {len(lrs) - 1}, not {step:g}", "held_out", "step", index)
        try:
            looks.append(HeldOut.from_answer(int(step), lrs[int(step)], (loss, accuracy)))
        except ValueError as error:
            raise BadResults(str(error), "held_out", "accuracy", index) from None
    return looks


class Stored(Protocol):
    """A run as a store keeps it: the fields of its plan, and its columns by series."""

    @property
    def plan(self) -> Mapping[str, Any]: ...
    @property
    def series(self) -> Mapping[str, Mapping[str, Any]]: ...


def read_sweeps(runs: Iterable[Stored]) -> list[Sweep]:
    """Those of the stored runs that are sweeps; the others confirm what the sweeps found."""
    return [Sweep.from_columns(run.plan, run.series) for run in runs if is_sweep(run.plan)]


def read_columns(series: Mapping[str, Mapping[str, Any]]) -> tuple[list[Point], list[HeldOut]]:
    """The rows of the columns of `train` and `held_out` (NaN: no accuracy)."""
    points = [Point(int(step), float(lr), float(loss)) for step, lr, loss in _rows(series["train"])]
    return points, read_looks(series["held_out"])


def read_looks(columns: Mapping[str, Any]) -> list[HeldOut]:
    """The rows of the columns of `held_out` (NaN: no accuracy)."""
    return [
        HeldOut(int(step), float(lr), float(loss), None if math.isnan(accuracy) else float(accuracy))
        for step, lr, loss, accuracy in _rows(columns)
    ]


def is_sweep(plan: Mapping[str, Any]) -> bool:
    """Whether a stored plan is that of a sweep."""
    return plan["phase"] in get_args(Phase)


def _rows(columns: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    return zip(*columns.values(), strict=True)


class Divergence:
    """Tells when a loss has clearly gone: not finite, or risen above its start by more than it ever fell.

    Never a multiple of the loss: that misjudges negative, offset and tiny losses. A network with normalisation
    layers may never get there; held-out accuracy shows its edge.
    """

    WARM_UP = 10  # steps that tell the starting level and its noise
    MEMORY = 0.9  # of the running mean that is judged

    def __init__(self, kept: Sequence[str] = ()) -> None:
        """kept: what another one's `keep` answered, whose judgement goes on here."""
        mean, best, *first = map(float.fromhex, kept or ("0x0p0", "inf"))
        self._first: list[float] = []
        self._start = self._noise = 0.0  # of the first losses: their mean, and how far they lie apart
        for loss in first:
            self._take_first(loss)
        self._mean, self._best = mean, best

    def keep(self) -> list[str]:
        """All that it remembers of the losses so far, to the last bit, in the spelling of `float.hex`."""
        return [value.hex() for value in (self._mean, self._best, *self._first)]

    def judge(self, loss: float) -> bool:
        """Take the next loss; whether the sweep should end here."""
        if not math.isfinite(loss):
            return True
        if len(self._first) < self.WARM_UP:
            self._take_first(loss)
            self._mean = self._start
            return False
        self._mean = self.MEMORY * self._mean + (1 - self.MEMORY) * loss
        self._best = min(self._best, self._mean)
        return self._mean - self._start > max(self._start - self._best, 2 * self._noise)

    def _take_first(self, loss: float) -> None:
        self._first.append(loss)
        self._start = sum(self._first) / len(self._first)
        self._noise = max(self._first) - min(self._first)


def run_sweep(
    plan: SweepPlan,
    step: Callable[[float], SupportsFloat],
    evaluate: Callable[[], tuple[float, float | None]] | None = None,
    *,
    read_every: int = 1,
) -> Iterator[Point | HeldOut]:
    """Sweep lr upwards, yielding what is measured; ends early on divergence.

    step: trains one batch at this lr and returns its loss before the update; a plain function will do.
    evaluate: (held-out loss, accuracy or None). read_every: losses are read as numbers every so many steps;
    more than 1 spares a GPU the wait after each step.
    """
    divergence = Divergence()
    unread: list[tuple[int, float, SupportsFloat]] = []
    lrs = [plan.lr(index) for index in range(plan.num_steps)]  # all at once: hot code costs a fifth of cold
    for index, lr in enumerate(lrs):
        unread.append((index, lr, step(lr)))
        last = index == plan.num_steps - 1
        evaluating = evaluate is not None and plan.looks_after(index)
        if len(unread) < read_every and not evaluating and not last:
            continue
        for number, used_lr, loss in unread:
            point = Point(number, used_lr, float(loss))
            yield point
            if divergence.judge(point.loss):
                return
        unread.clear()
        if evaluating and evaluate is not None:
            yield HeldOut.from_answer(index, lr, evaluate())
