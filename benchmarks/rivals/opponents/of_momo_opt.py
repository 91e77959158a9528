"""Momo: momentum with Polyak's step from the loss, lr 1 as its ceiling."""

from collections.abc import Mapping

from momo import Momo
from torch import nn

from benchmarks.rivals.opponents import Opponent, Training
from benchmarks.rivals.plan import Family


def momo(training: Training) -> nn.Module:
    """As its README has it."""
    optimizer = Momo(training.model.parameters(), lr=1.0, weight_decay=training.weight_decay)
    for loss in training.losses():
        optimizer.step(loss=loss)
    return training.model


OPPONENTS: Mapping[Family, Mapping[str, Opponent]] = {"SGD": {"Momo": momo}}
