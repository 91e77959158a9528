"""What trains: a model with its loss, its batches and its held-out set, and why it may not. Free of torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

Batch = tuple[Any, Any]  # (inputs, targets): tensors, or several in tuples, lists and mappings


class DatasetMissing(Exception):
    """The workload's data is not on this machine; the message holds the command that brings it."""


class Untrainable(ValueError):
    """The workload cannot be trained as it is, or not with what was asked for; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Parameters that train at `lr_scale` x the step's lr and `decay_scale` x the optimizer's weight decay."""

    parameters: Sequence[nn.Parameter]
    lr_scale: float = 1.0
    decay_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Problem:
    """One seed's ready-to-train instance of a workload.

    `batches`: endless (inputs, targets), on the device already or movable to it.
    `held_out`: fixed (inputs, targets), never trained on, the same for every seed.
    `loss`: (outputs, targets) -> scalar, the batch mean.
    `classifies`: targets are classes and accuracy is meaningful (clr/training/accuracy.py says how it is read).
    `train_size`: examples in the training set; with the batch size it gives steps per epoch. None: a stream, whose
    epoch has no known length.
    `parameter_groups`: every parameter of the model that trains, once; empty: all of them at the step's lr. Those
    of the loss train only where a group holds them.
    """

    model: nn.Module
    loss: nn.Module
    batches: Iterable[Batch]
    held_out: Batch
    train_size: int | None
    classifies: bool = True
    parameter_groups: Sequence[ParameterGroup] = ()
