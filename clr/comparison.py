"""Schedules side by side: means over seeds, how soon a target is reached, and who wins beyond the noise.

The test: each against the best mean by Welch's t-test over seeds, two-sided, Holm's correction over all of them
(Holm 1979), at 5 %. A few seeds show large differences only: what is within noise is not shown to be equal.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median, stdev
from typing import Any

import numpy as np

from clr.metric import Metric
from clr.spread import Spread

SIGNIFICANCE = 0.05
TEST = "Welch's t-test over seeds against the best mean, two-sided, Holm-corrected, at 5 %"


@dataclass(frozen=True, slots=True)
class Run:
    """One training run: its final and best values of the metric (None where it diverged), and every look.

    looks: columns step, and one of each metric (NaN where there is none).
    """

    seed: int
    num_steps: int
    final: float | None
    best: float | None
    looks: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one schedule.

    steps_to_target: the median over the runs that reached it, `reached` of them. p_value: corrected, against the
    best mean. within_noise: whether it may be as good as the best; of the best itself too.
    """

    label: str
    final: Spread | None
    best: Spread | None
    num_steps: int | None
    steps_to_target: float | None
    reached: int
    diverged: int
    p_value: float | None
    within_noise: bool


def compare(
    runs: Mapping[str, Sequence[Run]], *, metric: Metric, target: float | None = None
) -> tuple[float | None, list[Row]]:
    """(the target, a row for each label, in their order).

    target: of the metric; default: the mean final value of the first label, which the others are measured by.
    """
    finals = {
        label: [run.final for run in of_label if run.final is not None] for label, of_label in runs.items()
    }
    if target is None:
        first = next(iter(finals.values()), [])
        target = mean(first) if first else None
    sound = {label: finals[label] for label, of_label in runs.items() if len(finals[label]) == len(of_label)}
    noise = _against_the_best(sound, metric)
    return target, [
        _row(label, of_label, finals[label], noise, metric, target) for label, of_label in runs.items()
    ]


def _row(
    label: str,
    runs: Sequence[Run],
    finals: list[float],
    noise: Mapping[str, float | None],
    metric: Metric,
    target: float | None,
) -> Row:
    reached = [step for run in runs if (step := _step_of(run, metric, target)) is not None]
    diverged = len(runs) - len(finals)
    p_value = noise.get(label)
    best_of_all = label in noise and p_value is None
    return Row(
        label=label,
        final=Spread.of(finals),
        best=Spread.of([run.best for run in runs if run.best is not None]),
        num_steps=max((run.num_steps for run in runs), default=None),
        steps_to_target=median(reached) if reached else None,
        reached=len(reached),
        diverged=diverged,
        p_value=p_value,
        within_noise=not diverged and (best_of_all or (p_value is not None and p_value >= SIGNIFICANCE)),
    )


def _step_of(run: Run, metric: Metric, target: float | None) -> int | None:
    """How many steps it took until a look at the held-out set showed the target."""
    if target is None:
        return None
    values = np.asarray(run.looks[metric], dtype=float)
    hit = np.flatnonzero(values >= target if metric == "accuracy" else values <= target)
    return int(run.looks["step"][hit[0]]) + 1 if hit.size else None


def _against_the_best(finals: Mapping[str, list[float]], metric: Metric) -> dict[str, float | None]:
    """The corrected p-value of each label that has values; None of the best itself."""
    known = {label: values for label, values in finals.items() if values}
    if not known:
        return {}
    sign = 1 if metric == "accuracy" else -1
    best = max(known, key=lambda label: sign * mean(known[label]))
    others = {label: _p_value(known[best], values) for label, values in known.items() if label != best}
    corrected: dict[str, float | None] = {best: None}
    highest = 0.0
    for rank, label in enumerate(sorted(others, key=others.__getitem__)):
        highest = max(highest, min(1.0, (len(others) - rank) * others[label]))
        corrected[label] = highest
    return corrected


def _p_value(first: list[float], second: list[float]) -> float:
    """Welch's."""
    if min(len(first), len(second)) < 2:
        return 1.0  # one run says nothing about noise
    if len({*first}) == len({*second}) == 1:
        return 1.0  # accuracies come in steps: seeds that agree within one do not show that there is no noise
    # scipy comes with the service, and is slow to load; its `stats`, with this test, takes three times as long.
    from scipy.special import stdtr  # noqa: PLC0415

    of_mean = [stdev(values) ** 2 / len(values) for values in (first, second)]  # variances
    freedom = sum(of_mean) ** 2 / sum(
        variance**2 / (len(values) - 1) for variance, values in zip(of_mean, (first, second), strict=True)
    )
    distance = abs(mean(first) - mean(second)) / math.sqrt(sum(of_mean))
    return float(2 * stdtr(freedom, -distance))
