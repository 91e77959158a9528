"""The mistakes of loops that step a schedule at the wrong times: which step of the plan an update then uses.

Each is a guess to be held against what was applied (clr/applied_rates.py), the simplest first. Free of torch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

MOST_STEPS = 1024  # of the schedule in one update
FARTHEST = 10_000  # steps that a plan is looked for ahead

ONCE = "call scheduler.step() once after each optimizer.step()"
ONLY_AFTER_UPDATES = (
    f"{ONCE}, and not where a GradScaler skipped it: ct.Scheduler's follow() does so by itself"
)


@dataclass(frozen=True, slots=True)
class Mistake:
    """A stable code, a clause that says what happens, what to do, and step of the update -> step of the plan."""

    code: str
    what: str
    advice: str
    index: Callable[[int], int]


def list_mistakes(first: int, seen: range, epochs: list[int], departs_at: int) -> Iterator[Mistake]:
    """Every mistake that a training from step `first` on may have, whose updates were seen in `seen`.

    epochs: lengths in updates that an epoch may have. departs_at: the first step that was not as planned.
    """
    if first in seen:
        yield from _late(first)
    yield from _several(first)
    yield from _per_epoch(first, epochs)
    yield from _restarted(first, seen, departs_at)
    yield from _shifted(seen)


def _late(first: int) -> Iterator[Mistake]:
    advice = (
        f"set the rate before the first update, and {ONCE}; handlers at the end of an iteration come too late"
    )
    what = "the first rate is used twice, and all others one update late"
    yield Mistake("first_rate_twice", what, advice, lambda step: max(step - 1, first))


def _several(first: int) -> Iterator[Mistake]:
    for times in range(2, MOST_STEPS + 1):
        processes = (
            f"{ONCE}: is it called in two places, or by accelerate's prepare() on {times} processes (do not "
            "prepare the scheduler)?"
        )
        what = f"the schedule is stepped {times} times per update"
        micro = f"the schedule is stepped once per micro-batch, {times} times per update"
        for begin in {first, first * times}:
            yield Mistake("several_per_update", what, processes, _faster(first, begin, times))
            yield Mistake(
                "per_micro_batch", micro, ONLY_AFTER_UPDATES, _faster(first, begin + times - 1, times)
            )


def _faster(first: int, begin: int, times: int) -> Callable[[int], int]:
    return lambda step: begin + (step - first) * times


def _per_epoch(first: int, epochs: list[int]) -> Iterator[Mistake]:
    advice = f'{ONCE}, not per epoch (Lightning: "interval": "step"; skorch: step_every="batch")'
    for length in epochs:
        what = f"the schedule is stepped once per epoch of {length} updates"
        yield Mistake("per_epoch", what, advice, _slower(0, 0, length))
        if first:
            yield Mistake("per_epoch", what, advice, _slower(first, first, length))


def _slower(first: int, begin: int, length: int) -> Callable[[int], int]:
    return lambda step: begin + (step - first) // length


def _restarted(first: int, seen: range, departs_at: int) -> Iterator[Mistake]:
    advice = "save scheduler.state_dict() with the checkpoint, and load it after the scheduler was made"
    if first:
        what = f"the schedule was not restored: it starts again at step 0, not at {first}"
        yield Mistake("not_restored", what, advice, lambda step: step - first)
    after = departs_at - first
    if after > 1 and seen.stop - first > 2 * after:
        what, again = (
            f"the schedule starts again every {after} updates",
            "make the scheduler once, before the loop",
        )
        yield Mistake("restarted", what, again, lambda step: (step - first) % after)
    if after > 1:
        what = f"the schedule starts again at step {departs_at}"
        yield Mistake(
            "restarted", what, advice, lambda step: step - (departs_at if step >= departs_at else 0)
        )


def _shifted(seen: range) -> Iterator[Mistake]:
    for by in range(1, max(FARTHEST, seen.stop)):
        if by == 1:
            yield _shift(
                by, f"{ONCE}, not before it; a GradScaler that skipped the first update does the same"
            )
        else:
            yield _shift(
                by, f"{ONLY_AFTER_UPDATES}. If the training went on from a checkpoint, say first_step"
            )
        if by <= seen.start:
            yield _shift(
                -by, "is first_step the number of updates before? a log that counts from 1 looks so too"
            )


def _shift(by: int, advice: str) -> Mistake:
    code, where = ("ahead", "ahead of") if by > 0 else ("behind", "behind")
    what = f"the rates are {abs(by)} step{'s' * (abs(by) > 1)} {where} the plan from the start"
    return Mistake(code, what, advice, lambda step: step + by)
