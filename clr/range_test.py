"""Which sweep to measure next: a pure function of the request and of what was measured.

An exponential scout finds the decade; linear tests then come down from above it, range by range, until a lower
range trains no better than the last; the best range is repeated for every seed. A quick test is the scout alone.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, get_args

import numpy as np

from clr.confirmation_budget import MOST_RUNS, NUM_STEPS, USUAL_RUNS
from clr.ranges import WORTH, choose_range
from clr.reading import Reading, list_plateaus, most_reach_end, read_all, smooth
from clr.records import pick_fields
from clr.sweep import Effort, Sweep, SweepPlan

LOWEST_LR, HIGHEST_LR, MOST_SEEDS = 1e-30, 1e6, 20  # that may be asked for
SCOUT_START, SCOUT_END, SCOUT_STEPS = 1e-6, 10.0, 200
FEWEST_STEPS = 12  # of a sweep: fewer say nothing
TEST_STEPS = 200  # of each test sweep
LATE_STEPS = 400  # where no scout has shown that learning begins early
LOOKS = 33  # held-out evaluations in a sweep at most: about every 3 % of it
STEP_DOWN = math.sqrt(10)  # from one test range to the next
USUAL_RANGES, MAX_RANGES = 4, 6
MOST_AHEAD = 0.3  # of all steps, that may be measured while nobody knows whether they will be asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeTestConfig:
    """A range test as requested; None is chosen by the test.

    start_lr, end_lr: ends of the test sweeps (> 0); both given: one range, no scout. num_steps: of each test
    sweep. effort: "quick" is one exponential sweep of one seed, whatever num_seeds says; "standard" the whole test;
    "thorough" the same and then a confirmation by training (clr/climb.py), which is not planned here.
    """

    seed: int = 0
    num_seeds: int = 3
    start_lr: float | None = None
    end_lr: float | None = None
    num_steps: int | None = None
    effort: Effort = "standard"

    def __post_init__(self) -> None:
        if self.effort not in get_args(Effort):
            raise ValueError(f"effort must be one of {', '.join(get_args(Effort))}, not {self.effort!r}")
        if self.num_seeds < 1:
            raise ValueError(f"num_seeds must be >= 1, not {self.num_seeds}")
        if self.effort == "quick":
            object.__setattr__(self, "num_seeds", 1)
        if self.num_steps is not None and self.num_steps < FEWEST_STEPS:
            raise ValueError(f"num_steps must be >= {FEWEST_STEPS}, not {self.num_steps}")
        if not 0 < (self.start_lr or SCOUT_START) < (self.end_lr or SCOUT_END):
            raise ValueError(f"0 < start_lr < end_lr must hold, not {self.start_lr} and {self.end_lr}")

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Self:
        """Read a request, or the config of a stored job; keys that say nothing of the sweeps are ignored."""
        return cls(**pick_fields(cls, config))


def next_sweep(config: RangeTestConfig, finished: Sequence[Sweep]) -> SweepPlan | None:
    """What to measure after `finished`; None when nothing is left."""
    if config.effort == "quick":
        return None if finished else _exponential(config, config.num_steps or SCOUT_STEPS)
    readings = read_all(finished)
    if config.start_lr is not None and config.end_lr is not None:
        return _unmeasured_seed(config, readings, config.end_lr)
    if not finished:
        return _exponential(config, SCOUT_STEPS)
    if not math.isfinite(finished[0].points[0].loss):
        return None
    return _unmeasured_seed(config, readings, _next_top(config, readings[0], _tests_of(readings)))


def foresee_sweeps(config: RangeTestConfig, finished: Sequence[Sweep]) -> list[SweepPlan]:
    """What `next_sweep` may ask for after the sweep that it asks for now, likeliest first: idle slots may measure it.

    Lower ranges as far as tests usually reach, then the best range's other seeds: as many as may be measured in vain.
    What it asks for may carry another number `sweep`; nothing else of a plan depends on what was measured in between.
    """
    now = next_sweep(config, finished)
    if now is None or now.phase == "scout":
        return []
    readings = read_all(finished)
    tests = _tests_of(readings)
    fixed = config.start_lr is not None and config.end_lr is not None
    if fixed or now.seed != config.seed:  # these will be asked for
        return _other_seeds(config, now)
    tops = {reading.plan.end_lr for reading in tests} | {now.end_lr}
    lower = [
        replace(now, sweep=now.sweep + 1 + index, start_lr=_start_lr(config, top, now.num_steps), end_lr=top)
        for index, top in enumerate(_lower_tops(config, tops))
    ]
    best = choose_range(tests)[0].plan if tests else now
    certain = int(not tests and readings[0].sweep.broke_off)  # the range below the first, see `_next_top`
    uncertain = max(1, int(MOST_AHEAD * planned_steps(config, finished) / now.num_steps))
    return [*lower, *_other_seeds(config, best)][: certain + uncertain]


def _lower_tops(config: RangeTestConfig, tops: Collection[float]) -> list[float]:
    """The tops below all of these, down to where a test usually ends."""
    lower, top = list[float](), min(tops)
    while len(tops) + len(lower) < USUAL_RANGES and (
        config.start_lr is None or top / STEP_DOWN > config.start_lr
    ):
        top /= STEP_DOWN
        lower.append(top)
    return lower


def _other_seeds(config: RangeTestConfig, plan: SweepPlan) -> list[SweepPlan]:
    """The same range for every seed after that of `plan`."""
    return [replace(plan, seed=seed) for seed in range(plan.seed + 1, config.seed + config.num_seeds)]


def planned_steps(config: RangeTestConfig, finished: Sequence[Sweep], *, run_steps: int = NUM_STEPS) -> int:
    """How many steps the whole test is expected to take while a sweep is still to come. run_steps: of each training of
    a confirmation."""
    if config.effort == "quick":
        return config.num_steps or SCOUT_STEPS
    readings = read_all(finished)
    fixed = config.start_lr is not None and config.end_lr is not None
    tests = _tests_of(readings)
    ranges = 1 if fixed else max(USUAL_RANGES, len({reading.plan.end_lr for reading in tests}))
    left = max(1, ranges + config.num_seeds - 1 - len(tests))
    scout = 0 if fixed or finished else SCOUT_STEPS
    done = sum(len(sweep.points) for sweep in finished)
    num_steps = _test_steps(config, readings) if fixed or finished else config.num_steps or TEST_STEPS
    return done + scout + left * num_steps + _confirmation_steps(config, USUAL_RUNS * run_steps)


def most_steps(config: RangeTestConfig, *, run_steps: int = NUM_STEPS) -> int:
    """How many steps the test may take at the very most. run_steps: as `planned_steps` has it."""
    if config.effort == "quick":
        return config.num_steps or SCOUT_STEPS
    fixed = config.start_lr is not None and config.end_lr is not None
    sweeps = config.num_seeds if fixed else MAX_RANGES + 2 * (config.num_seeds - 1)
    scout = 0 if fixed else SCOUT_STEPS
    return (
        sweeps * (config.num_steps or LATE_STEPS) + scout + _confirmation_steps(config, MOST_RUNS * run_steps)
    )


def _confirmation_steps(config: RangeTestConfig, steps: int) -> int:
    return steps if config.effort == "thorough" else 0


def _tests_of(readings: Sequence[Reading]) -> list[Reading]:
    return [reading for reading in readings if reading.plan.phase == "test"]


def _next_top(config: RangeTestConfig, scout: Reading, tests: Sequence[Reading]) -> float:
    """The upper end of the range to measure now."""
    tops = sorted({reading.plan.end_lr for reading in tests})
    if not tops:
        return config.end_lr or _scouted_top(scout)
    lowest = min(tests, key=lambda reading: reading.plan.end_lr)
    best_range = choose_range(tests)
    best = best_range[0].plan.end_lr
    if len(tops) >= MAX_RANGES or (config.start_lr is not None and tops[0] / STEP_DOWN <= config.start_lr):
        return best
    if not any(reading.learns for reading in tests):
        return tops[0] / STEP_DOWN if scout.sweep.broke_off else best
    if best == tops[0] or _lower_may_be_better(best_range[0], lowest, tops):
        return tops[0] / STEP_DOWN
    if best == tops[-1] and config.end_lr is None and _still_good(config, best_range, tests):
        return tops[-1] * STEP_DOWN
    return best


def _lower_may_be_better(best: Reading, lowest: Reading, tops: Sequence[float]) -> bool:
    """Whether the lowest range trains as well as the best, or is all there is below a best one that broke off.

    How far a sweep comes before it breaks off is a matter of luck.
    """
    if lowest.depth >= (1 - WORTH) * best.depth:
        return True
    return best.plan.end_lr == tops[1] and best.sweep.broke_off


def _still_good(config: RangeTestConfig, best_range: Sequence[Reading], tests: Sequence[Reading]) -> bool:
    """Whether the first seed scores as well as ever at the end of the highest range, or most of all the seeds do.

    All the seeds are asked once: their answer may cost one more round of seeds.
    """
    ends = [reading.plan.end_lr for reading in tests]
    rounds = sum(ends.count(end_lr) == config.num_seeds for end_lr in set(ends))
    asked = best_range if len(best_range) == config.num_seeds and rounds == 1 else best_range[:1]
    plateaus = list_plateaus(asked)
    return most_reach_end(plateaus) or most_reach_end(plateaus[:1])


def _scouted_top(scout: Reading) -> float:
    """On a grid of half decades, so that seeds agree on it: above where the scout's loss was lowest.

    A scout that learned nothing tells where training breaks off, no more.
    """
    finite = [point for point in scout.sweep.points if math.isfinite(point.loss)]
    if not finite:
        return scout.plan.start_lr * STEP_DOWN
    lr = finite[-1].lr
    if scout.learns and scout.by_loss and scout.score is not None:
        lr = 2 * float(scout.score.lr[scout.score.smooth.argmax()])
    elif scout.learns:
        lr = 2 * finite[int(np.argmin(smooth([point.loss for point in finite], 9)))].lr
    return float(10 ** (math.ceil(2 * math.log10(lr)) / 2))


def _test_steps(config: RangeTestConfig, readings: Sequence[Reading]) -> int:
    """Of each test sweep."""
    early = any(reading.plan.phase == "scout" and reading.learns for reading in readings)
    return config.num_steps or (TEST_STEPS if early else LATE_STEPS)


def _unmeasured_seed(config: RangeTestConfig, readings: Sequence[Reading], top: float) -> SweepPlan | None:
    """The first seed that this range still lacks."""
    tests = _tests_of(readings)
    tops = list(dict.fromkeys(reading.plan.end_lr for reading in tests))
    measured = {reading.plan.seed for reading in tests if reading.plan.end_lr == top}
    for seed in range(config.seed, config.seed + config.num_seeds):
        if seed not in measured:
            num_steps = _test_steps(config, readings)
            return SweepPlan(
                sweep=1 + (tops.index(top) if top in tops else len(tops)),
                seed=seed,
                phase="test",
                shape="linear",
                start_lr=_start_lr(config, top, num_steps),
                end_lr=top,
                num_steps=num_steps,
                eval_every=look_every(num_steps),
            )
    return None


def look_every(num_steps: int) -> int:
    """Steps from one look at the held-out set to the next, in a sweep of so many."""
    return math.ceil(num_steps / LOOKS)


def _start_lr(config: RangeTestConfig, top: float, num_steps: int) -> float:
    return config.start_lr or top / num_steps


def _exponential(config: RangeTestConfig, num_steps: int) -> SweepPlan:
    return SweepPlan(
        sweep=0,
        seed=config.seed,
        phase="scout",
        shape="exponential",
        start_lr=config.start_lr or SCOUT_START,
        end_lr=config.end_lr or SCOUT_END,
        num_steps=num_steps,
        eval_every=look_every(num_steps),
    )
