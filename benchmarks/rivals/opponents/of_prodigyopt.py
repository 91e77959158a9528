"""Prodigy: lr 1 under half a cosine over the whole training, without warm-up or restarts."""

import math
from collections.abc import Mapping

from prodigyopt import Prodigy
from torch import nn

from benchmarks.finders import quiet
from benchmarks.rivals.opponents import Opponent, Training, follow
from benchmarks.rivals.plan import Family


def prodigy(training: Training) -> nn.Module:
    """As its README has it."""
    with quiet():  # it prints that its weight decay is decoupled
        optimizer = Prodigy(training.model.parameters(), lr=1.0, weight_decay=training.weight_decay)
    length = training.num_steps
    return follow(
        optimizer, [(1 + math.cos(math.pi * step / length)) / 2 for step in range(length)], training
    )


OPPONENTS: Mapping[Family, Mapping[str, Opponent]] = {"Adam": {"Prodigy": prodigy}}
