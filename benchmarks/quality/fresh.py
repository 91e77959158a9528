"""Workloads defined when the turn was first read off accuracies: labels wrong or noisy, depth, another loss."""

from functools import cache
from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmarks.quality import examples
from benchmarks.quality.networks import plain
from benchmarks.quality.small import few
from benchmarks.quality.unseen import Unseen, perceptron
from worker.workloads.split import Examples, Split

CHARACTERS = 3000
FLIGHTS = 1000


class SquaredError(nn.Module):
    """Of the outputs, from 1 at the class and 0 elsewhere."""

    def forward(self, outputs: Tensor, classes: Tensor) -> Tensor:
        """outputs: (n, classes), classes: (n,)."""
        wanted = nn.functional.one_hot(classes, outputs.shape[1]).to(outputs.dtype)
        return nn.functional.mse_loss(outputs, wanted)


def _wrong(split: Split, share: float) -> Split:
    """This share of all labels, of those held out too, is another of the 10 classes."""
    generator = torch.Generator().manual_seed(examples.SEED)

    def spoil(part: Examples) -> Examples:
        wrong = torch.rand(len(part.targets), generator=generator) < share
        others = (part.targets + torch.randint(1, 10, part.targets.shape, generator=generator)) % 10
        return Examples(part.inputs, torch.where(wrong, others, part.targets))

    return Split(train=spoil(split.train), held_out=spoil(split.held_out))


@cache
def _few_characters() -> tuple[Split, int]:
    """3,000 training and 2,000 held-out characters after the 16 before."""
    split, characters = examples.next_characters()
    return few(split, CHARACTERS), characters


def _normalised(*units: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(units[:-1]):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(*units[-2:]))


FRESH: dict[str, Unseen] = {
    "digits-fifth-wrong": Unseen(
        lambda: perceptron(64, 64, 64, 10), lambda: _wrong(examples.small_digits(), 0.2)
    ),
    "flights-1000": Unseen(lambda: perceptron(6, 64, 2), lambda: few(examples.flights_numbers(), FLIGHTS)),
    "kjv-3000": Unseen(
        lambda: nn.Sequential(
            nn.Embedding(_few_characters()[1], 8), perceptron(128, 64, _few_characters()[1])
        ),
        lambda: _few_characters()[0],
    ),
    "mnist-plain-7": Unseen(lambda: plain((196, *[48] * 7, 10)), examples.small_mnist),
    "mnist-squared": Unseen(lambda: perceptron(196, 64, 10), examples.small_mnist, SquaredError),
    "spoken-third-wrong": Unseen(
        lambda: _normalised(322, 64, 10), lambda: _wrong(examples.small_spoken(), 0.3)
    ),
}
