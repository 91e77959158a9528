"""What comes of a training job."""

import math

import pytest

from clr.sweep import HeldOut
from clr.training_result import CycleEnd, CycleEnds, TrainingResult


def end(cycle: int, *, loss: float = 1.0, accuracy: float | None = None) -> CycleEnd:
    return CycleEnd.of(cycle, HeldOut(cycle, 0.1, loss, accuracy))


def test_the_best_cycle_end_has_the_highest_accuracy_and_then_the_lowest_loss() -> None:
    ends = CycleEnds()

    are_best = [
        ends.add(end(1, accuracy=0.8, loss=0.9)),
        ends.add(end(2, accuracy=0.8, loss=0.7)),
        ends.add(end(3, accuracy=0.7, loss=0.1)),
    ]

    assert are_best == [True, True, False]
    assert (ends.best, ends.last) == (end(2, accuracy=0.8, loss=0.7), end(3, accuracy=0.7, loss=0.1))


def test_without_accuracy_the_lowest_finite_loss_is_best() -> None:
    ends = CycleEnds()
    for cycle, loss in enumerate((0.5, 0.3, math.nan, 0.4), start=1):
        ends.add(end(cycle, loss=loss))

    assert ends.best is not None
    assert ends.best.cycle == 2


def test_patience_runs_out_after_so_many_cycle_ends_without_a_new_best() -> None:
    ends = CycleEnds(patience=2)
    stale = []
    for cycle, accuracy in enumerate((0.5, 0.4, 0.6, 0.6, 0.5), start=1):
        ends.add(end(cycle, accuracy=accuracy))
        stale.append(ends.stale)

    assert stale == [False, False, False, False, True]


@pytest.mark.parametrize("ended", [None, end(4, accuracy=0.9), end(4, loss=math.nan)])
def test_a_result_comes_back_as_it_went(ended: CycleEnd | None) -> None:
    result = TrainingResult(
        schedule={"policy": "fixed", "lr": 0.1},
        num_steps=40,
        steps_per_epoch=None,
        stopped_early=False,
        final=ended,
        best=ended,
    )

    assert TrainingResult.from_dict(result.to_dict() | {"warnings": []}) == result
