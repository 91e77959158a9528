"""The picture of a training is drawn for whatever was measured."""

import pytest

from clr.plots.style import render
from clr.plots.training_job import draw_training_job


@pytest.mark.parametrize("loss", [2.3, float("nan"), 1e308, -1e308])
def test_any_loss_can_be_drawn(loss: float) -> None:
    train = {"step": [0, 1], "lr": [0.1, 0.1], "loss": [1.0, loss]}
    series = {"train": train, "held_out": train | {"accuracy": [0.5, 0.5]}}

    assert render(draw_training_job(series, None, title="t"), "png").startswith(b"\x89PNG")
