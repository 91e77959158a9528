"""Bounds put to the test in the job that found them: short trainings around them; who falls behind is left out early.

What is trained next is a pure function of the bounds and of what was trained, as in clr/range_test.py. Half and double
can move the bounds, constant_lr and one_cycle can only be recommended: each pair is halved on its own, so that neither
pushes the other out of the comparison.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, median
from typing import Any, Literal, Self

from clr.comparison import Metric, Run
from clr.confirmation import NUM_CYCLES, OURS, Verdict, entries, verdict
from clr.partial_schedules import complete
from clr.policies import parse_schedule
from clr.sweep import HeldOut, Measured, read_columns
from clr.training_job import TrainingPlan

STEP_SIZE = 80  # with two cycles nearly as long as a sweep of the test, however few steps an epoch has
NUM_STEPS = 2 * STEP_SIZE * NUM_CYCLES  # of every run
NUM_SEEDS = 4  # of those that stay to the end: three tell too little apart
PAIRS = (("max_lr / 2", "max_lr x 2"), ("constant_lr", "one_cycle"))
LOST = 0.9  # of what the sweeps had learned: a run that lacks so much of it has diverged too, as in `make quality`
EDGE = "the bounds moved to the edge of what was tried: a confirmation of them tells whether further is better still"
UNDECIDED = "training was better at other bounds, but within the noise: look at the margin, or confirm with more seeds"
MOST_STEPS = NUM_STEPS * (1 + 2 * len(PAIRS) + (NUM_SEEDS - 1) * (1 + len(PAIRS)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """One training run: a contender with one seed. schedule: {"policy", every parameter}.

    sweep: names the contender, so that (sweep, seed) names a run among all passes of its range test.
    """

    label: str
    schedule: dict[str, Any]
    shape: str
    sweep: int
    seed: int
    num_steps: int = NUM_STEPS
    phase: Literal["confirm"] = "confirm"

    def training(self, *, steps_per_epoch: int | None) -> TrainingPlan:
        """The plan that the run follows; it looks at the held-out set where cycles end."""
        return TrainingPlan(
            schedule=parse_schedule(self.schedule),
            step_size=STEP_SIZE,
            num_steps=self.num_steps,
            steps_per_epoch=steps_per_epoch,
            eval_every=self.num_steps,
        )


@dataclass(frozen=True, slots=True)
class Trial(Measured[TrialPlan]):
    """One run as it was measured."""

    @classmethod
    def from_columns(cls, plan: Mapping[str, Any], series: Mapping[str, Mapping[str, Any]]) -> Self:
        """Read a stored run, as `Sweep.from_columns` reads a sweep."""
        return cls(TrialPlan(**plan), *read_columns(series))

    @property
    def final(self) -> HeldOut | None:
        """The look after the last step; None where the run diverged."""
        last = self.held_out[-1] if self.held_out else None
        ended = last is not None and last.step == self.plan.num_steps - 1 and math.isfinite(last.loss)
        return last if ended else None


def next_trial(
    bounds: Mapping[str, Any], finished: Sequence[Trial], *, seed: int, sweep: int
) -> TrialPlan | None:
    """What to train after `finished`; None when nothing is left that could move the bounds or be recommended.

    seed: the first that the range test did not use. sweep: the first number that none of its passes has.
    """
    contenders, runs = entries(bounds), _runs(bounds, finished)
    trained = {(trial.plan.label, trial.plan.seed) for trial in finished}
    for number in range(NUM_SEEDS):
        labels = _left(runs, [entry["label"] for entry in contenders], bounds, rounds=number)
        for index, entry in enumerate(contenders):
            label = entry["label"]
            if label in labels and (label, seed + number) not in trained:
                schedule = complete(
                    entry["schedule"], base_lr=None, max_lr=None, step_size=STEP_SIZE, num_steps=NUM_STEPS
                ).model_dump(mode="json")
                return TrialPlan(
                    label=label,
                    schedule=schedule,
                    shape=schedule["policy"],
                    sweep=sweep + index,
                    seed=seed + number,
                )
    return None


def confirmed(result: Mapping[str, Any], trials: Sequence[Trial]) -> dict[str, Any]:
    """What a range test found, with what its trials say of it; the bounds are moved where training was better.

    result: `to_dict()` of `Bounds`; of moved ones the evidence keeps what the range test alone had said.
    """
    metric, runs = _metric(result), _runs(result, trials)
    rounds = max(map(len, runs.values()))
    compared = {
        label: of_label for label, of_label in runs.items() if label == OURS or len(of_label) == rounds
    }
    judged = verdict(result, compared, metric=metric)
    about = {
        "metric": metric,
        "tried": [_tried(trials, label, compared, of_label) for label, of_label in runs.items()],
        "steps": sum(len(trial.points) for trial in trials),
    }
    if judged is None:
        said = "training diverged at these bounds, and no cycle around them stayed in the comparison to move them to"
        nothing = {"outcome": "not_possible", "margin": None, "message": said}
        return {**result, "warnings": [*result["warnings"], said], "confirmation": nothing | about}
    told = {name: getattr(judged, name) for name in ("outcome", "margin", "message")}
    warnings = [*result["warnings"], *([UNDECIDED] if judged.outcome == "undecided" else [])]
    return {**result, "warnings": warnings, **_moved(result, judged), "confirmation": told | about}


def _moved(result: Mapping[str, Any], judged: Verdict) -> dict[str, Any]:
    """The fields that change when the bounds move; none where they stay."""
    if judged.outcome != "adjusted":
        return {}
    names = ("base_lr", "max_lr", "constant_lr")
    factor = judged.max_lr / result["max_lr"]
    fields: dict[str, Any] = {name: factor * result[name] for name in names}
    for name in ("base_lr", "max_lr"):
        low, high = result[f"{name}_interval"]
        fields[f"{name}_interval"] = (min(low, fields[name]), max(high, fields[name]))
        fields[f"rule_{name[:-3]}"] = "moved_by_training"
        fields[f"reason_{name[:-3]}"] = f"the range test said {result[name]:.4g}, but {judged.message}"
    fields["sensitivity"] = None  # that of other rates; training has just measured half and double of them
    said = {name: result[name] for name in (*names, *fields)}
    evidence = {**result["evidence"], "range_test": said}
    return fields | {"evidence": evidence, "warnings": [*result["warnings"], EDGE]}


def _left(
    runs: Mapping[str, Sequence[Run]], labels: list[str], bounds: Mapping[str, Any], *, rounds: int
) -> list[str]:
    """Who trains with one more seed after so many: ours, and of each pair the better one, from the second round on
    only where it is ahead of ours. None where only ours is left."""
    metric = _metric(bounds)
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


def _metric(bounds: Mapping[str, Any]) -> Metric:
    """What runs are compared by, as the sweeps were: held-out accuracy, or the loss where there are no classes."""
    return "accuracy" if bounds["evidence"]["seeds"][0]["metric"] == "accuracy" else "loss"


def _runs(bounds: Mapping[str, Any], trials: Sequence[Trial]) -> dict[str, list[Run]]:
    """The runs of each label, in the order of their seeds."""
    metric, seeds = _metric(bounds), bounds["evidence"]["seeds"]
    floor, peak = (median(seed[name] for seed in seeds) for name in ("floor", "peak"))
    least = floor + (1 - LOST) * (peak - floor)
    runs: dict[str, list[Run]] = {}
    for trial in trials:
        final = None if trial.final is None else asdict(trial.final)[metric]
        if final is not None and (final if metric == "accuracy" else -final) < least:
            final = None
        looks = {name: [asdict(look)[name] for look in trial.held_out] for name in ("step", metric)}
        runs.setdefault(trial.plan.label, []).append(
            Run(seed=trial.plan.seed, num_steps=len(trial.points), final=final, best=final, looks=looks)
        )
    return runs


def _tried(
    trials: Sequence[Trial], label: str, compared: Mapping[str, Any], runs: Sequence[Run]
) -> dict[str, Any]:
    """One contender, as JSON holds it. finals: None where the run diverged. dropped_after: seeds; None: never."""
    finals = [run.final for run in runs]
    sound = [final for final in finals if final is not None]
    return {
        "label": label,
        "schedule": next(trial.plan.schedule for trial in trials if trial.plan.label == label),
        "seeds": [run.seed for run in runs],
        "finals": finals,
        "mean": mean(sound) if sound else None,
        "dropped_after": None if label in compared else len(runs),
    }
