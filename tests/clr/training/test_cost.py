"""What a range test in one's own process says of its price."""

import pytest

from clr.range_test import RangeTestConfig
from clr.training.cost import CostReport
from tests.clr.curves import GOOD, loss_of, measured, plan


def test_a_probe_that_may_come_is_foreseen_and_said_when_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    scout = measured(plan(phase="scout", shape="exponential", num_steps=200), loss_of(GOOD))

    with CostReport(RangeTestConfig(effort="quick"), shown=True, for_training=True) as report:
        report.begin(snapshot_bytes=0)
        for _ in scout.points:
            report.step([], scout.plan)
        report.step([scout], plan(phase="probe", num_steps=800))

    shown = capsys.readouterr().err
    assert "about 200 steps, at most 4,200;" in shown
    assert "a probe for so long a training: 800 steps more, about" in shown
    assert "201/1000" in shown
