"""A range test as experiment trackers take it: numbers by step, fields, a text and a picture."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from clr.bounds import Bounds, Inconclusive
from clr.sweep import Sweep, is_sweep

Row = tuple[int, dict[str, float]]


def list_curves(
    answer: Bounds | Inconclusive, curve: Mapping[str, Any] | None
) -> Iterator[tuple[str, list[Row]]]:
    """Of each sweep its name and its rows: a step, with lr and loss, and held_out_loss and held_out_accuracy where the
    held-out set was looked at. A loss that was not finite is NaN.

    curve: as a service's range test answers it, where that keeps the sweeps; None: those that `answer` holds.
    """
    for run in map(_as_run, answer.sweeps) if curve is None else filter(is_sweep, curve["runs"]):
        rows: dict[int, dict[str, float]] = {}
        held_out = run["held_out"]
        for step, lr, loss in zip(run["step"], run["lr"], run["loss"], strict=True):
            rows[step] = {"lr": lr, "loss": _number(loss)}
        for step, loss, accuracy in zip(
            held_out["step"], held_out["loss"], held_out["accuracy"], strict=True
        ):
            look = rows.setdefault(
                step, {}
            )  # a step of its own in a curve with fewer points than were measured
            look["held_out_loss"] = _number(loss)
            if accuracy is not None:
                look["held_out_accuracy"] = accuracy
        yield f"sweep-{run['sweep']}-seed-{run['seed']}", sorted(rows.items())


def list_fields(answer: Bounds | Inconclusive) -> dict[str, float | str]:
    """What to tell runs apart by: the rates with their intervals and rules; or why there are none."""
    if isinstance(answer, Inconclusive):
        return {"outcome": "inconclusive", "why": answer.why}
    return {
        "outcome": "bounds_found",
        "base_lr": answer.base_lr,
        "base_lr_low": answer.base_lr_interval[0],
        "base_lr_high": answer.base_lr_interval[1],
        "max_lr": answer.max_lr,
        "max_lr_low": answer.max_lr_interval[0],
        "max_lr_high": answer.max_lr_interval[1],
        "constant_lr": answer.constant_lr,
        "step_size": answer.step_size,
        "metric": answer.metric,
        "rule_base": answer.rule_base,
        "rule_max": answer.rule_max,
    }


@contextmanager
def drawn(answer: Bounds | Inconclusive) -> Iterator[Path | None]:
    """The picture as a PNG file inside; None where nobody can draw it, as of bounds that were read from JSON."""
    with TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.png"
        if answer.sweeps or answer.draw:
            answer.plot(picture)
        yield picture if picture.exists() else None


def _as_run(sweep: Sweep) -> dict[str, Any]:
    """As a service answers it."""
    plan, points, looks = sweep.plan, sweep.points, sweep.held_out
    return {
        "seed": plan.seed,
        "sweep": plan.sweep,
        "step": [point.step for point in points],
        "lr": [point.lr for point in points],
        "loss": [point.loss for point in points],
        "held_out": {
            "step": [look.step for look in looks],
            "loss": [look.loss for look in looks],
            "accuracy": [look.accuracy for look in looks],
        },
    }


def _number(value: float | None) -> float:
    """JSON has null where a loss was not finite."""
    return math.nan if value is None else value
