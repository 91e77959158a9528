"""What is stored of a run depends on its rows, not on how they were batched or repeated."""

import json
import math
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clr.report import Planned, Received, Report, find_news
from clr.sweep import SweepPlan

NUM_STEPS = 40
SWEEP = asdict(SweepPlan(start_lr=0.1, end_lr=1.0, num_steps=NUM_STEPS))
TRAINING = {"phase": "training", "schedule": {"policy": "fixed", "lr": 0.1}, "num_steps": NUM_STEPS}
FINITE = st.floats(allow_nan=False, allow_infinity=False)
LOSSES = st.lists(st.floats(0.1, 5.0) | FINITE | st.just(math.nan), min_size=1, max_size=NUM_STEPS)


class Store:
    """The rows of one run, received report by report as the service does it."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self.losses: dict[int, float] = {}
        self.looks: dict[int, Any] = {}
        self.diverged = False
        self._kept: list[str] = []

    def take(self, report: Report) -> None:
        planned = Planned.of(self._plan, kept=self._kept)
        up_to = len(self.losses)
        received = Received(up_to=up_to, diverged=self.diverged, losses=self.losses, looks=self.looks)
        news = find_news(report, received, planned)
        self.losses = self.losses | {point.step: point.loss for point in news.points}
        self.looks = self.looks | {look.step: look for look in news.looks}
        self.diverged = news.diverged
        if planned.divergence and news.points:
            self._kept = json.loads(json.dumps(planned.divergence.keep(), allow_nan=False))

    def __repr__(self) -> str:  # NaN is like NaN here
        return f"{self.losses} {self.looks} {self.diverged}"


@pytest.mark.parametrize("plan", [SWEEP, TRAINING])
@given(losses=LOSSES, every=st.integers(1, 9), data=st.data())
def test_any_batches_and_repeats_of_the_same_rows_store_the_same(
    plan: dict[str, Any], losses: list[float], every: int, data: st.DataObject
) -> None:
    looks = [(step, float(step), None) for step in range(0, len(losses), every)]
    whole, in_pieces = Store(plan), Store(plan)
    whole.take(Report(from_step=0, loss=losses, looks=looks))

    stop = 0
    while stop < len(losses):
        start = data.draw(st.integers(0, stop))
        stop = data.draw(st.integers(stop + 1, len(losses)))
        of_these = [look for look in looks if start <= look[0] < stop]
        in_pieces.take(Report(from_step=start, loss=losses[start:stop], looks=of_these))
    in_pieces.take(Report(from_step=0, loss=losses, looks=looks))

    assert repr(in_pieces) == repr(whole)
