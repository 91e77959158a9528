"""One fixed division of a data set into training and held-out examples, the same for every seed."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clr.problem import Problem
from clr.training.batches import StagedBatches

_SPLIT_SEED = 20_260_101  # fixed for ever: another split would make stored results incomparable


@dataclass(frozen=True, slots=True)
class Examples:
    """inputs: (n, ...), targets: (n, ...)."""

    inputs: Tensor
    targets: Tensor

    def to(self, device: str) -> "Examples":
        """The same on another device."""
        return Examples(self.inputs.to(device), self.targets.to(device))


@dataclass(frozen=True, slots=True)
class Split:
    """What is trained on, and what never is."""

    train: Examples
    held_out: Examples


def spread(targets: Tensor, count: int) -> Tensor:
    """A fixed choice of `count` examples (all, where there are no more), every class in its proportion: (n,) bools."""
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(_SPLIT_SEED))
    by_class = order[targets[order].argsort(stable=True)]
    every_kth = torch.arange(count) * len(targets) // count  # of the examples sorted by class
    picked = torch.zeros(len(targets), dtype=torch.bool)
    picked[by_class[every_kth]] = True
    return picked


def stratified(inputs: Tensor, targets: Tensor, *, held_out: int) -> Split:
    """Hold out `held_out` examples, every class in its proportion; standardise by the training's mean and std."""
    kept_back = spread(targets, held_out)
    train = inputs[~kept_back]
    scaled = (inputs - train.mean()) / train.std()
    return Split(
        train=Examples(scaled[~kept_back], targets[~kept_back]),
        held_out=Examples(scaled[kept_back], targets[kept_back]),
    )


def classification(model: nn.Module, split: Split, *, seed: int, batch_size: int, device: str) -> Problem:
    """Cross entropy over a split staged on the device."""
    train, held_out = split.train.to(device), split.held_out.to(device)
    return Problem(
        model=model,
        loss=nn.CrossEntropyLoss(),
        batches=StagedBatches(train.inputs, train.targets, batch_size=batch_size, seed=seed),
        held_out=(held_out.inputs, held_out.targets),
        train_size=len(train.targets),
    )
