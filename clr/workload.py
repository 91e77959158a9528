"""What a workload is: the contract between the engine and everybody's models.

A workload is declared by subclassing `Workload` and found by its name through the entry-point group
`clr_tuner.workloads`. Everything here is free of torch, so that schemas can be read without it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from torch import nn

GROUP = "clr_tuner.workloads"  # of entry points

Batch = tuple[Any, Any]  # (inputs, targets): tensors, or several in tuples, lists and mappings


class NoParams(BaseModel):
    """The params of a workload that has none."""

    model_config = ConfigDict(extra="forbid")


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


class Workload(ABC):
    """A named model + data + loss + default optimizer.

    Subclasses set the class variables and write `build`. `Params` is published as JSON Schema,
    so that a request is checked before it is queued; it should forbid extra fields.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    Params: ClassVar[type[BaseModel]] = NoParams
    default_optimizer: ClassVar[dict[str, Any]] = {"name": "SGD", "momentum": 0.9}
    default_batch_size: ClassVar[int] = 64

    @abstractmethod
    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """The problem for one seed: initial weights and batch order follow from `seed` alone.

        Raises `DatasetMissing` where the data is not on this machine.
        """
