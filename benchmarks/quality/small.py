"""Workloads with 25 to 1,000 training examples, where a long training may overfit."""

from collections.abc import Callable
from functools import cache
from typing import Any, ClassVar

import torch
from sklearn.datasets import load_iris, load_wine
from torch import Tensor, nn

from benchmarks.quality.unseen import Unseen, breast_cancer, diabetes, perceptron, scaled, split_at
from worker.workloads.digits import digits
from worker.workloads.mnist5k import mnist5k
from worker.workloads.split import Examples, Split, spread
from worker.workloads.spoken_digits import spoken_digits

MOST_HELD_OUT = 2000


def few(split: Split, count: int) -> Split:
    """`count` training examples; the others are held out too, up to 2,000 in all."""
    classes = split.train.targets
    if classes.is_floating_point():
        classes = torch.zeros(len(classes), dtype=torch.int64)
    picked = spread(classes, count)
    return Split(
        train=Examples(split.train.inputs[picked], split.train.targets[picked]),
        held_out=Examples(
            torch.cat([split.held_out.inputs, split.train.inputs[~picked]])[:MOST_HELD_OUT],
            torch.cat([split.held_out.targets, split.train.targets[~picked]])[:MOST_HELD_OUT],
        ),
    )


@cache
def _iris() -> Split:
    """75 training and 75 held-out flowers, 4 standardised features: (n, 4); classes (n,)."""
    return _table(*load_iris(return_X_y=True), held_out=75)


@cache
def _wine() -> Split:
    """89 training and 89 held-out wines, 13 standardised features: (n, 13); classes (n,)."""
    return _table(*load_wine(return_X_y=True), held_out=89)


def _table(inputs: Any, targets: Any, *, held_out: int) -> Split:
    examples, classes = torch.tensor(inputs), torch.tensor(targets)
    kept_back = spread(classes, held_out)
    return split_at(scaled(examples, kept_back), classes, kept_back)


def _halved(split: Split, count: int, *, rows: int) -> Split:
    """What comes below the first rows of an image from those, `count` training images: (n, above); (n, below)."""

    def halves(part: Examples) -> Examples:
        images: Tensor = part.inputs[:, 0]
        return Examples(images[:, :rows].flatten(1), images[:, rows:].flatten(1))

    small = few(Split(train=halves(split.train), held_out=halves(split.held_out)), count)
    mean = small.train.targets.mean(dim=0)
    train, held_out = (Examples(part.inputs, part.targets - mean) for part in (small.train, small.held_out))
    return Split(train=train, held_out=held_out)


def _in_time() -> Split:
    """Recordings as images whose rows are times: (n, 1, 92, 14)."""
    parts = (
        Examples(part.inputs.flatten(0, -3).transpose(1, 2).unsqueeze(1), part.targets)
        for part in (spoken_digits().train, spoken_digits().held_out)
    )
    return Split(*parts)


def _cnn(channels: int, side: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, channels, 3, stride=2, padding=1),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, stride=2, padding=1),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(channels * side * side, 10),
    )


class Small(Unseen):
    """A network on few examples, in batches of 8."""

    default_batch_size: ClassVar[int] = 8


def _regression(network: Callable[[], nn.Module], split: Callable[[], Split]) -> Small:
    return Small(network, split, nn.MSELoss, classifies=False)


SMALL: dict[str, Small] = {
    "digits-25": Small(lambda: perceptron(64, 32, 10), lambda: few(digits(), 25)),
    "digits-100": Small(lambda: perceptron(64, 64, 10), lambda: few(digits(), 100)),
    "mnist-250": Small(lambda: _cnn(8, 7), lambda: few(mnist5k(), 250)),
    "mnist-1000": Small(lambda: perceptron(784, 64, 10), lambda: few(mnist5k(), 1000)),
    "spoken-150": Small(lambda: perceptron(46 * 28, 32, 10), lambda: few(spoken_digits(), 150)),
    "iris-75": Small(lambda: perceptron(4, 16, 3), _iris),
    "wine-89": Small(lambda: perceptron(13, 32, 3), _wine),
    "breast-cancer-60": Small(lambda: perceptron(30, 32, 2), lambda: few(breast_cancer(), 60)),
    "diabetes-50": _regression(lambda: perceptron(10, 32, 1), lambda: few(diabetes(), 50)),
    "diabetes-320": _regression(lambda: perceptron(10, 64, 64, 1), lambda: few(diabetes(), 320)),
    "halves-200": _regression(lambda: perceptron(32, 64, 32), lambda: _halved(digits(), 200, rows=4)),
    "halves-60": _regression(lambda: perceptron(32, 128, 32), lambda: _halved(digits(), 60, rows=4)),
    "mnist-below-300": _regression(
        lambda: perceptron(560, 64, 224), lambda: _halved(mnist5k(), 300, rows=20)
    ),
    "spoken-end-200": _regression(
        lambda: perceptron(14 * 40, 32, 14 * 52), lambda: _halved(_in_time(), 200, rows=40)
    ),
    "diabetes-150": _regression(lambda: perceptron(10, 64, 1), lambda: few(diabetes(), 150)),
}
