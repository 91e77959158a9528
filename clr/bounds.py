"""From measured sweeps to base_lr and max_lr, with the rule that fired, its evidence, and an honest "inconclusive".

The paper's reading of a range test (Smith 2017, section 3.3): base_lr where accuracy begins to rise, max_lr where
it slows, becomes ragged or falls; where the rise is not resolved, base_lr = max_lr / 4 (it says a third or a fourth).
Everything here is a pure function of the stored curve.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from clr.candidates import Candidate, candidates
from clr.planning import chosen_range
from clr.plateau import MIN_VALUES, Plateau, plateau, score
from clr.range_test import Sweep

UNRESOLVED_DIVISOR = 4.0  # base_lr = max_lr / 4
RESOLVED_FROM = 0.05  # of the range: a rise that begins sooner says how fast the sweep was, no more
QUICK_FACTOR = 0.25  # of the rate of lowest loss in one short exponential sweep
DISAGREEMENT = 4.0  # highest over lowest edge among seeds that can be trusted
STEP_SIZE_EPOCHS = 2  # the paper: 2 to 10 epochs, 8 only slightly better than 2
DEFAULT_STEP_SIZE = 2000  # steps, where the epoch is unknown: the paper's CIFAR-10 value
ADAPTIVE = {"Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The recommendation. Rates are > 0; an interval is (lowest, highest) over the seeds.

    rule_base, rule_max: stable codes; reason_base, reason_max: a sentence each. evidence: what each seed said.
    step_size: steps in half a cycle. steps_per_epoch: None where unknown.
    """

    base_lr: float
    max_lr: float
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

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inconclusive:
    """No trustworthy bounds: why (a stable code), in a sentence, and what to try next.

    next_experiment: {"message": a sentence, "request": the fields to POST again}.
    """

    why: str
    message: str
    next_experiment: dict[str, Any]
    candidates: list[Candidate]

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)


def find_bounds(
    sweeps: Sequence[Sweep], *, steps_per_epoch: float | None = None, optimizer: str | None = None
) -> Bounds | Inconclusive:
    """Read the bounds off the best range that was measured, for every seed, and pool them."""
    others = candidates(sweeps)
    tests = [sweep for sweep in sweeps if sweep.plan.phase == "test"]
    chosen = chosen_range(tests) if tests else list(sweeps)
    doubt = _no_signal(chosen) or _not_learning(chosen) or _unreadable(chosen, tests)
    if doubt is not None:
        why, message, advice, request = doubt
        return Inconclusive(
            why=why,
            message=message,
            next_experiment={"message": advice, "request": request},
            candidates=others,
        )
    found = {sweep.plan.seed: at for sweep in chosen if (at := plateau(sweep)) is not None and at.learns}
    warnings = _warnings(chosen, found, optimizer)
    return _bounds(chosen, tests, found, steps_per_epoch, warnings, others)


def _bounds(
    chosen: Sequence[Sweep],
    tests: Sequence[Sweep],
    found: dict[int, Plateau],
    steps_per_epoch: float | None,
    warnings: list[str],
    others: list[Candidate],
) -> Bounds:
    plan = chosen[0].plan
    metric = next(iter(found.values())).metric.replace("_", " ")
    if tests:
        edges = [at.upper_lr for at in found.values()]
        if sum(at.reaches_end for at in found.values()) * 2 > len(found):
            rule_max = "highest_range_that_trains_as_well"
            reason_max = (
                f"{metric} held up to {plan.end_lr:.3g}, the end of this range, and a range reaching higher "
                "trained worse"
            )
        else:
            rule_max = "plateau_ends"
            reason_max = (
                f"above it {metric} leaves the plateau around its peak: it slows, gets ragged or falls"
            )
    else:
        edges = [QUICK_FACTOR * _lowest(sweep) for sweep in chosen]
        rule_max = "quarter_of_lowest_loss"
        reason_max = f"a quarter of {edges[0] / QUICK_FACTOR:.3g}, where one short sweep had its lowest loss"
    max_lr = _pool(edges)
    resolved_from = plan.start_lr + RESOLVED_FROM * (plan.end_lr - plan.start_lr)
    rises = [at.rise_lr for at in found.values()]
    if plan.shape == "linear" and median(rises) > resolved_from and median(rises) < max_lr / 2:
        base_edges, rule_base = rises, "rise_begins"
        reason_base = f"{metric} first rises for good here"
    else:
        base_edges, rule_base = [edge / UNRESOLVED_DIVISOR for edge in edges], "quarter_of_max"
        reason_base = (
            "max_lr / 4, the paper's rule of thumb (a third or a fourth): the start of the rise lies too near "
            "the start of the sweep to be resolved"
        )
    return Bounds(
        base_lr=_pool(base_edges),
        max_lr=max_lr,
        base_lr_interval=(min(base_edges), max(base_edges)),
        max_lr_interval=(min(edges), max(edges)),
        rule_base=rule_base,
        rule_max=rule_max,
        reason_base=reason_base,
        reason_max=reason_max,
        evidence={
            "range": {"shape": plan.shape, "start_lr": plan.start_lr, "end_lr": plan.end_lr},
            "seeds": [{"seed": seed, **asdict(at)} for seed, at in found.items()],
            "other_ranges": [
                {"end_lr": sweep.plan.end_lr, "seed": sweep.plan.seed, "peak": at.peak}
                for sweep in tests
                if sweep not in chosen and (at := plateau(sweep)) is not None
            ],
        },
        step_size=round(STEP_SIZE_EPOCHS * steps_per_epoch) or 1 if steps_per_epoch else DEFAULT_STEP_SIZE,
        steps_per_epoch=steps_per_epoch,
        warnings=warnings,
        candidates=others,
    )


Doubt = tuple[str, str, str, dict[str, Any]]


def _no_signal(sweeps: Sequence[Sweep]) -> Doubt | None:
    """The loss itself cannot be read."""
    if not sweeps or all(len(sweep.points) == 0 for sweep in sweeps):
        return "too_few_points", "nothing was measured", "measure at least 12 steps", {"num_steps": 200}
    if all(not math.isfinite(sweep.points[0].loss) for sweep in sweeps):
        return (
            "non_finite_from_start",
            "the loss is not finite at the very first step, before any update",
            "check the data, the loss and the initial weights: no learning rate can mend them",
            {},
        )
    losses = [point.loss for sweep in sweeps for point in sweep.points if math.isfinite(point.loss)]
    if len(losses) >= MIN_VALUES and max(losses) - min(losses) <= 1e-12 * abs(max(losses, key=abs)):
        return (
            "loss_never_changed",
            f"the loss stayed at {losses[0]:.6g} at every learning rate",
            "check that the loss depends on the weights and that they receive gradients",
            {},
        )
    if all(score(sweep) is None for sweep in sweeps):
        return (
            "too_few_points",
            f"no sweep has {MIN_VALUES} finite measurements: it ended almost at once",
            "start at a lower learning rate and take more steps",
            {"end_lr": min(sweep.plan.end_lr for sweep in sweeps) / 100, "num_steps": 400},
        )
    return None


def _not_learning(sweeps: Sequence[Sweep]) -> Doubt | None:
    learning = [at for sweep in sweeps if (at := plateau(sweep)) is not None and at.learns]
    if 2 * len(learning) > len(sweeps):
        return None
    return (
        "no_learning",
        f"learning shows in {len(learning)} of {len(sweeps)} seeds: no rise stands out from the noise",
        "give it more steps or a larger batch; if it stays so, the model cannot learn these targets",
        {"num_steps": 4 * sweeps[0].plan.num_steps},
    )


def _unreadable(chosen: Sequence[Sweep], tests: Sequence[Sweep]) -> Doubt | None:
    """The curve is sound, but its upper edge is not to be trusted."""
    if not tests:
        return None
    found = [at for sweep in chosen if (at := plateau(sweep)) is not None and at.learns]
    plan = chosen[0].plan
    if all(at.reaches_end for at in found) and plan.end_lr == max(sweep.plan.end_lr for sweep in tests):
        return (
            "edge_not_reached",
            f"every seed still trained as well as ever at {plan.end_lr:.3g}, the highest rate tested",
            "raise end_lr",
            {"end_lr": 10 * plan.end_lr},
        )
    edges = [at.upper_lr for at in found]
    if max(edges) > DISAGREEMENT * min(edges):
        return (
            "seeds_disagree",
            f"the seeds put max_lr anywhere between {min(edges):.3g} and {max(edges):.3g}",
            "use more seeds and longer sweeps",
            {"num_seeds": 2 * len(chosen) + 1, "num_steps": 2 * plan.num_steps},
        )
    return None


def _warnings(chosen: Sequence[Sweep], found: dict[int, Plateau], optimizer: str | None) -> list[str]:
    warnings = []
    if optimizer in ADAPTIVE:
        warnings.append(
            f"{optimizer} bears rates for a few hundred steps that hurt a long training; stay at or below max_lr"
        )
    if len(found) == 1:
        warnings.append("one seed only: the intervals say nothing about the spread")
    elif len(found) < len(chosen):
        warnings.append(f"only {len(found)} of {len(chosen)} seeds learned")
    return warnings


def _lowest(sweep: Sweep) -> float:
    """The rate of the lowest smoothed loss."""
    losses = score(Sweep(sweep.plan, sweep.points))
    assert losses is not None  # _no_signal has looked
    return float(losses.lr[losses.smooth.argmax()])


def _pool(edges: Sequence[float]) -> float:
    """The median on the log scale."""
    return math.exp(median(math.log(edge) for edge in edges))
