"""The picture of a schedule."""

import pytest

from clr.plots.schedule import draw_schedule
from clr.plots.style import render
from clr.policies import parse_schedule
from tests.clr.test_policies import EVERY, name


@pytest.mark.parametrize("spec", EVERY, ids=name)
@pytest.mark.parametrize("num_steps", [1, 300])
def test_every_policy_can_be_drawn(spec: dict[str, object], num_steps: int) -> None:
    assert render(draw_schedule(parse_schedule(spec), num_steps, title="t"), "png").startswith(b"\x89PNG")


def test_the_bounds_are_named_and_the_peak_is_drawn() -> None:
    schedule = parse_schedule({"policy": "triangular", "base_lr": 0.001, "max_lr": 0.006, "step_size": 50})

    drawn = draw_schedule(schedule, 200, title="t")

    assert max(drawn.axes[0].lines[0].get_ydata()) == 0.006
    text = render(drawn, "svg").decode()
    assert "base_lr 0.001" in text
    assert "max_lr 0.006" in text
