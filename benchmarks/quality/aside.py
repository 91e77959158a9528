"""Workloads kept aside while the rule changed, to be measured once, last: half of them ordinary.

4,000 examples of each are held out, so that 2,000 score.
"""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn

from benchmarks.quality import examples
from benchmarks.quality.losses import ContrastedClasses
from benchmarks.quality.networks import Attentive, Recurrent, plain
from benchmarks.quality.unseen import Unseen, changed, perceptron
from worker.workloads.flights import NUMBERS, flights
from worker.workloads.kjv import kjv
from worker.workloads.mnist5k import mnist5k
from worker.workloads.split import Examples, Split

HELD_OUT = 4000
WRONG = 0.25  # of the labels
DISTANCE = 1  # columns of the flights
WEEKDAY, CARRIER, ORIGIN = NUMBERS + 1, NUMBERS + 2, NUMBERS + 3


def drawn(inputs: Tensor, targets: Tensor, count: int) -> Split:
    """`count` training examples by chance, and 4,000 others held out."""
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(examples.SEED))
    return Split(
        *(
            Examples(inputs[those], targets[those])
            for those in (order[:count], order[count : count + HELD_OUT])
        )
    )


@cache
def _images() -> Split:
    """1,000 training images of handwritten digits, (n, 1, 28, 28)."""
    return drawn(*examples.whole(mnist5k()), 1000)


@cache
def _small_images() -> Split:
    """The same at half the side, (n, 1, 14, 14)."""
    return changed(_images(), lambda images: nn.functional.avg_pool2d(images, 2))


@cache
def _images_themselves() -> Split:
    """The small images from themselves, both (n, 196), less the training's mean."""
    train, held_out = (part.inputs.flatten(1) for part in (_small_images().train, _small_images().held_out))
    return Split(*(Examples(images, images) for images in (train - train.mean(0), held_out - train.mean(0))))


@cache
def _wrong_images() -> Split:
    """The small images, a quarter of the training labels another of the 10 classes."""
    return examples.mislabelled(_small_images(), WRONG)


@cache
def letters(before: int) -> Split:
    """20,000 training characters after so many before, (n, before), each from a stretch of 64 of its own."""
    inputs, targets = examples.whole(kjv()[0])
    return drawn(inputs[:, -before:], targets[:, -1], 20_000)


def embedding(width: int) -> nn.Embedding:
    return nn.Embedding(kjv()[1], width)


@cache
def table() -> Tensor:
    """Every flight: six standardised numbers, then month, weekday, carrier, origin, destination as counted from 0."""
    return examples.whole(flights()[0])[0]


def columns(numbers: Sequence[int], categories: Sequence[int]) -> Tensor:
    """These numbers as they are, a column for each value of these categories."""
    flown = table()
    encoded = [nn.functional.one_hot(flown[:, column].long()) for column in categories]
    return torch.cat([flown[:, numbers], *encoded], dim=1)


@cache
def _carriers() -> Split:
    """30,000 training flights; whose of 16 carriers each is, the commonest 2,000 times as frequent as the rarest."""
    return drawn(columns(range(NUMBERS), [WEEKDAY, ORIGIN]), table()[:, CARRIER].long(), 30_000)


@cache
def _distances() -> Split:
    """5,000 training flights; how far each goes, standardised, (n, 1)."""
    numbers = [column for column in range(NUMBERS) if column != DISTANCE]
    return drawn(columns(numbers, [CARRIER, ORIGIN]), table()[:, [DISTANCE]], 5000)


@cache
def _codes() -> Split:
    """10,000 training flights by all other columns, categories as counted, up to 104; from which of 3 airports."""
    others = [column for column in range(table().shape[1]) if column != ORIGIN]
    return drawn(table()[:, others], table()[:, ORIGIN].long(), 10_000)


def _pooled_cnn() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(400, 10),
    )


def _patches() -> nn.Sequential:
    """Of 9x9 pixels: (n, 1, 28, 28) to (n, 9, 16)."""
    return nn.Sequential(nn.Unfold(9, stride=9), Transposed(), nn.Linear(81, 16))


class Transposed(nn.Module):
    """The last two dimensions."""

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, a, b) to (n, b, a)."""
        return inputs.transpose(1, 2)


ASIDE: dict[str, Unseen] = {
    "flights-carriers": Unseen(lambda: perceptron(NUMBERS + 10, 64, 64, 16, dropout=0.2), _carriers),
    "flights-codes": Unseen(lambda: perceptron(10, 64, 3), _codes),
    "flights-distance": Unseen(lambda: perceptron(24, 64, 1), _distances, nn.HuberLoss, classifies=False),
    "kjv-selu-9": Unseen(
        lambda: nn.Sequential(embedding(8), plain((128, *[48] * 9, kjv()[1]), nn.SELU)),
        lambda: letters(16),
    ),
    "kjv-short-gru": Unseen(lambda: Recurrent(nn.GRU, embedding(16), 16, kjv()[1]), lambda: letters(8)),
    "mnist-autoencoder": Unseen(
        lambda: perceptron(196, 48, 10, 48, 196), _images_themselves, nn.MSELoss, classifies=False
    ),
    "mnist-contrasted": Unseen(
        lambda: perceptron(196, 64, 16), _small_images, ContrastedClasses, classifies=False
    ),
    "mnist-patches": Unseen(lambda: Attentive(_patches(), 9, 10, norm_first=False, own_token=True), _images),
    "mnist-pooled-cnn": Unseen(_pooled_cnn, _small_images),
    "mnist-quarter-wrong": Unseen(lambda: perceptron(196, 128, 128, 10), _wrong_images),
}
