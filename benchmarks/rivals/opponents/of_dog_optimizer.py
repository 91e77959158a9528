"""LDoG with the averager it must be used with; the averaged model is judged."""

from collections.abc import Mapping

from dog import LDoG, PolynomialDecayAverager
from torch import nn

from benchmarks.rivals.opponents import Opponent, Training, has_batch_norm
from benchmarks.rivals.plan import Family

FIRST_DISTANCE, WITH_BATCH_NORM = 1e-6, 1e-4  # what its documentation suggests


def ldog(training: Training) -> nn.Module:
    """As its README has it."""
    optimizer = LDoG(
        training.model.parameters(),
        reps_rel=WITH_BATCH_NORM if has_batch_norm(training.model) else FIRST_DISTANCE,
        weight_decay=training.weight_decay,
    )
    averager = PolynomialDecayAverager(training.model)
    for _ in training.losses():
        optimizer.step()
        averager.step()
    averaged: nn.Module = averager.averaged_model
    return averaged


OPPONENTS: Mapping[Family, Mapping[str, Opponent]] = {"SGD": {"LDoG, averaged": ldog}}
