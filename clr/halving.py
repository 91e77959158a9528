"""Who trains next in the confirmation inside a range test: successive halving, who falls behind is left out early.

A pure function of the bounds and of what was trained, as in clr/range_test.py. Half and double can move the bounds,
constant_lr and one_cycle can only be recommended: each pair is halved on its own, so that neither pushes the other out
of the comparison.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import mean

from clr.bounds import Bounds
from clr.comparison import Run
from clr.confirmation_budget import NUM_SEEDS, NUM_STEPS, PAIRS, STEP_SIZE
from clr.contender import OURS, Contender, ContenderRun, RunPlan, group_runs, list_contenders, pick_metric
from clr.metric import Metric
from clr.partial_schedules import complete


def next_run(bounds: Bounds, finished: Sequence[ContenderRun], *, seed: int, sweep: int) -> RunPlan | None:
    """What to train after `finished`, the first of `next_runs`; None when nothing is left to train."""
    return next(iter(next_runs(bounds, finished, seed=seed, sweep=sweep)), None)


def next_runs(bounds: Bounds, finished: Sequence[ContenderRun], *, seed: int, sweep: int) -> list[RunPlan]:
    """What is left of this round: no run of it depends on another. Empty when nothing is left at all that could move
    the bounds or be recommended.

    seed: the first that the range test did not use. sweep: the first number that none of its passes has.
    """
    contenders, runs, metric = list_contenders(bounds), group_runs(bounds, finished), pick_metric(bounds)
    trained = {(run.plan.label, run.plan.seed) for run in finished}
    for number in range(NUM_SEEDS):
        labels = _halve(runs, [contender.label for contender in contenders], metric, rounds=number)
        left = [
            _plan(contender, sweep=sweep + index, seed=seed + number)
            for index, contender in enumerate(contenders)
            if contender.label in labels and (contender.label, seed + number) not in trained
        ]
        if left:
            return left
    return []


def _plan(contender: Contender, *, sweep: int, seed: int) -> RunPlan:
    schedule = complete(
        contender.schedule, base_lr=None, max_lr=None, step_size=STEP_SIZE, num_steps=NUM_STEPS
    ).model_dump(mode="json")
    return RunPlan(label=contender.label, schedule=schedule, shape=schedule["policy"], sweep=sweep, seed=seed)


def _halve(runs: Mapping[str, Sequence[Run]], labels: list[str], metric: Metric, *, rounds: int) -> list[str]:
    """Who trains with one more seed after so many: ours, and of each pair the better one, from the second round on
    only where it is ahead of ours. None where only ours is left."""
    for seeds in range(1, rounds + 1):
        scores = {
            label: score
            for label in labels
            if (score := _score(runs.get(label, ())[:seeds], metric)) is not None
        }
        better = [
            max(sound, key=scores.__getitem__)
            for pair in PAIRS
            if (sound := [label for label in pair if label in scores])
        ]
        if seeds > 1:
            better = [label for label in better if scores[label] > scores.get(OURS, -math.inf)]
        labels = [label for label in (OURS, *better) if label in scores] if better else []
    return labels


def _score(runs: Sequence[Run], metric: Metric) -> float | None:
    """The mean over seeds, higher is better; None where one diverged or none was trained."""
    finals = [run.final for run in runs if run.final is not None]
    if not finals or len(finals) < len(runs):
        return None
    return mean(finals) if metric == "accuracy" else -mean(finals)
