"""The confirmation inside a range test: who trains next, and what the trainings say of the rates.

max_lr, its half and its double train once each, with the same seed; from the better end the climb goes on by factors
of two until it gets worse. What is best is the geometric mean of all that were tried, weighted by
exp(-shortfall / 2 % of what was learned), as ranges are pooled: a single seed tells no finer.
Pure functions of the bounds and of what was trained, as in clr/range_test.py.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from clr.bounds import Bounds
from clr.confirmation import Confirmation, Outcome, Tried
from clr.confirmation_budget import LONGEST, MOST_RUNS, NUM_STEPS, STEP_SIZE
from clr.contender import POWERS, ContenderRun, RunPlan, label_of, pick_metric
from clr.cycles import cycles_for
from clr.partial_schedules import complete

WORTH = 0.02  # of what was learned: a shortfall that takes a factor e from a rate's weight
LOST = 0.9  # of what the sweeps had learned: a run that lacks so much of it has diverged too, as in `make quality`
NEAR = 1 / 3  # of a doubling: rates that are best so near to ours are ours
EDGE = "the best rate lies at the edge of what was tried: a confirmation of it tells whether further is better still"
DIVERGED = "training diverged at these bounds, and at all that was tried around them"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Centre:
    """What is trained around, for so many steps. told: whether for a training that was told."""

    told: bool
    policy: str
    base_lr: float
    max_lr: float
    step_size: int
    num_steps: int

    @classmethod
    def of(cls, bounds: Bounds, training: Mapping[str, Any] | None) -> "_Centre":
        """The rates for that training, for as many steps up to `LONGEST`; two cycles within the bounds without one, or
        where its policy cannot have that budget, as an epoch may have no length."""
        try:
            if training is not None:
                return cls._of_training(bounds, **training)
        except ValueError:
            pass
        rates = {"base_lr": bounds.base_lr, "max_lr": bounds.max_lr}
        return cls(told=False, policy="triangular", **rates, step_size=STEP_SIZE, num_steps=NUM_STEPS)

    @classmethod
    def _of_training(cls, bounds: Bounds, policy: str, **budget: Any) -> "_Centre":
        steps = min(bounds.for_training(policy, **budget).num_steps, LONGEST)
        rates = bounds.for_training(policy, num_steps=steps)
        return cls(
            told=True,
            policy=policy,
            base_lr=rates.base_lr,
            max_lr=rates.max_lr,
            step_size=cycles_for(steps, steps_per_epoch=bounds.steps_per_epoch).step_size,
            num_steps=steps,
        )

    def plan(self, power: int, *, seed: int, sweep: int) -> RunPlan:
        """The run at these rates times two to this power."""
        factor = 2.0**power
        schedule = complete(
            {"policy": self.policy},
            base_lr=factor * self.base_lr,
            max_lr=factor * self.max_lr,
            step_size=self.step_size,
            num_steps=self.num_steps,
        )
        return RunPlan(
            label=label_of(power),
            schedule=schedule.model_dump(mode="json"),
            shape=schedule.policy,
            sweep=sweep + (power + 1 if abs(power) <= 1 else abs(power) + 1),
            seed=seed,
            num_steps=self.num_steps,
        )


def next_runs(
    bounds: Bounds,
    finished: Sequence[ContenderRun],
    *,
    training: Mapping[str, Any] | None = None,
    seed: int,
    sweep: int,
) -> list[RunPlan]:
    """What to train after `finished`, of which no run depends on another; empty when nothing is left.

    training: what the bounds are for, {"policy", and "num_steps" or "num_epochs"}; None: two cycles within them.
    seed: one that the range test did not use. sweep: the first number that none of its passes has.
    """
    scores = _score(bounds, finished)
    powers = [power for power in (0, -1, 1) if power not in scores]
    if not powers and len(scores) < MOST_RUNS:
        powers = [power for power in _onward(scores) if power not in scores]
    centre = _Centre.of(bounds, training)
    return [centre.plan(power, seed=seed, sweep=sweep) for power in powers]


def keep_asked(
    bounds: Bounds, runs: Sequence[ContenderRun], *, training: Mapping[str, Any] | None, seed: int
) -> list[ContenderRun]:
    """Those that `next_runs` asks for; a job that was begun by an older version has others."""
    centre = _Centre.of(bounds, training)
    return [
        run
        for run in runs
        if (power := POWERS.get(run.plan.label)) is not None
        and replace(centre.plan(power, seed=seed, sweep=0), sweep=run.plan.sweep) == run.plan
    ]


def confirm_bounds(
    bounds: Bounds, finished: Sequence[ContenderRun], *, training: Mapping[str, Any] | None = None
) -> Bounds:
    """What a range test found, with what its trainings say of it.

    Without a training the bounds are moved to where training was best; their evidence keeps what the range test alone
    had said. The rates for a training are moved where they are asked for, `Bounds.for_training`.
    """
    scores = _score(bounds, finished)
    outcome, factor, message = _judge(scores, bounds)
    centre = _Centre.of(bounds, training)
    confirmation = Confirmation(
        outcome=outcome,
        metric=pick_metric(bounds),
        margin=_margin(scores),
        message=f"{message} ({len(scores)} trainings of {centre.num_steps:,} steps)",
        tried=tuple(
            _describe(bounds, run) for run in sorted(finished, key=lambda run: POWERS[run.plan.label])
        ),
        steps=sum(len(run.points) for run in finished),
        policy=centre.policy if centre.told else None,
        num_steps=centre.num_steps,
        factor=factor,
    )
    if not centre.told and outcome == "adjusted":
        bounds = _move(bounds, factor, confirmation.message)
    return replace(bounds, warnings=(*bounds.warnings, *_advise(scores)), confirmation=confirmation)


def _score(bounds: Bounds, finished: Sequence[ContenderRun]) -> dict[int, float]:
    """By the power of two: higher is better, -inf where the run diverged or lacks most of what the sweeps learned."""
    sign = 1 if pick_metric(bounds) == "accuracy" else -1
    finals = {POWERS[run.plan.label]: _final(bounds, run) for run in finished}
    return {power: -math.inf if final is None else sign * final for power, final in finals.items()}


def _final(bounds: Bounds, run: ContenderRun) -> float | None:
    """In the metric; None where it diverged. A training shorter than a sweep may have learned next to nothing yet."""
    accurate = pick_metric(bounds) == "accuracy"
    look = run.final
    final = None if look is None else look.accuracy if accurate else look.loss
    if final is None:
        return None
    least = bounds.floor + (1 - LOST) * (bounds.peak - bounds.floor)
    lost = run.plan.num_steps >= NUM_STEPS and (final if accurate else -final) < least
    return None if lost else final


def _best(scores: Mapping[int, float]) -> int:
    """The power that scored best, of equals the one nearest to 0; the lowest where all diverged."""
    if max(scores.values()) == -math.inf:
        return min(scores)
    return max(scores, key=lambda power: (scores[power], -abs(power)))


def _onward(scores: Mapping[int, float]) -> list[int]:
    """The power beyond the best, where that is not ours."""
    best = _best(scores)
    return [best + (1 if best > 0 else -1)] if best else []


def _judge(scores: Mapping[int, float], bounds: Bounds) -> tuple[Outcome, float, str]:
    """(outcome, the factor of what is best, a sentence)."""
    best = max(scores.values())
    if best == -math.inf:
        return "not_possible", 1.0, "training diverged at all rates that were tried"
    scale = max(WORTH * (best - _find_floor(bounds, best)), math.ulp(best))
    weights = {power: math.exp((score - best) / scale) for power, score in scores.items()}
    power = sum(power * weight for power, weight in weights.items()) / sum(weights.values())
    if abs(power) <= NEAR:
        return "confirmed", 1.0, "nothing around it was clearly better"
    factor = 2.0**power
    return "adjusted", factor, f"training ended best at about {factor:.2g} times max_lr"


def _find_floor(bounds: Bounds, best: float) -> float:
    """What was known before anything was learned; of a loss the first look, as a sweep that breaks off falls below."""
    looks = [sweep.held_out[0] for sweep in bounds.sweeps if sweep.held_out]
    if pick_metric(bounds) == "accuracy" or not looks or best <= -looks[0].loss:
        return bounds.floor
    return max(bounds.floor, -looks[0].loss)


def _advise(scores: Mapping[int, float]) -> list[str]:
    best = _best(scores)
    if scores[best] == -math.inf:
        return [DIVERGED]
    return [EDGE] if best in (min(scores), max(scores)) else []


def _margin(scores: Mapping[int, float]) -> float | None:
    """By how much the best was better than ours; None where ours diverged."""
    return None if scores[0] == -math.inf else max(scores.values()) - scores[0]


def _move(bounds: Bounds, factor: float, message: str) -> Bounds:
    names = ("base_lr", "max_lr", "constant_lr")
    before = bounds.to_dict()
    fields: dict[str, Any] = {name: factor * before[name] for name in names}
    for name in ("base_lr", "max_lr"):
        low, high = before[f"{name}_interval"]
        fields[f"{name}_interval"] = (factor * low, factor * high)
        fields[f"rule_{name[:-3]}"] = "moved_by_training"
        fields[f"reason_{name[:-3]}"] = f"the range test said {before[name]:.4g}, but {message}"
    fields["sensitivity"] = None  # that of other rates; training has just measured half and double of them
    evidence = {**bounds.evidence, "range_test": {name: before[name] for name in fields}}
    return replace(bounds, **fields, evidence=evidence)


def _describe(bounds: Bounds, run: ContenderRun) -> Tried:
    final = _final(bounds, run)
    plan = run.plan
    return Tried(label=plan.label, schedule=plan.schedule, seeds=(plan.seed,), finals=(final,), mean=final)
