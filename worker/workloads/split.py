"""One fixed division of a data set into training and held-out examples, the same for every seed."""

from dataclasses import dataclass

import torch
from torch import Tensor

_SPLIT_SEED = 20_260_101  # fixed for ever: another split would make stored results incomparable


@dataclass(frozen=True, slots=True)
class Examples:
    """inputs: (n, ...), targets: (n,)."""

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


def stratified(inputs: Tensor, targets: Tensor, *, held_out: int) -> Split:
    """Hold out `held_out` examples, every class in its proportion; standardise by the training's mean and std."""
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(_SPLIT_SEED))
    by_class = order[targets[order].argsort(stable=True)]
    spread = torch.arange(held_out) * len(targets) // held_out  # every k-th of the examples sorted by class
    kept_back = torch.zeros(len(targets), dtype=torch.bool)
    kept_back[by_class[spread]] = True
    train = inputs[~kept_back]
    scaled = (inputs - train.mean()) / train.std()
    return Split(
        train=Examples(scaled[~kept_back], targets[~kept_back]),
        held_out=Examples(scaled[kept_back], targets[kept_back]),
    )
