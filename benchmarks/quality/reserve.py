"""Workloads defined before a climb confirmed the rates, and measured once after it: half of them ordinary.

4,000 examples of each are held out, so that 2,000 score; of the recordings, which are too few, half as many.
"""

from functools import cache
from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmarks.quality import examples
from benchmarks.quality.aside import CARRIER, ORIGIN, columns, drawn, embedding, letters, table
from benchmarks.quality.networks import Attentive, Recurrent
from benchmarks.quality.unseen import Unseen, changed, perceptron
from worker.workloads.flights import NUMBERS
from worker.workloads.kjv import kjv
from worker.workloads.mnist5k import mnist5k
from worker.workloads.split import Examples, Split

ARRIVES = 4  # the first of its two columns of the flights; what stands before is known of the departure
DESTINATION, DESTINATIONS = NUMBERS + 4, 104
PARTS = 5  # of the text
OVERLAID = 4000  # pairs of images
SIDE = 4  # columns of a small image to the left of its middle, and as many to the right
FOCUS = 2.0


class Focal(nn.Module):
    """Cross entropy times the square of what is missing to a probability of 1: what is known well hardly counts."""

    def forward(self, outputs: Tensor, classes: Tensor) -> Tensor:
        """outputs: (n, classes), classes: (n,)."""
        cost = nn.functional.cross_entropy(outputs, classes, reduction="none")
        return ((1 - (-cost).exp()) ** FOCUS * cost).mean()


class SeveralLabels(nn.BCEWithLogitsLoss):
    """Binary cross entropy of labels that are each there or not, (n, labels)."""

    def trivial(self, targets: Tensor) -> Tensor:
        """Each label as probable as it is frequent."""
        outputs = targets.mean(dim=0).logit().expand_as(targets)
        loss: Tensor = self(outputs, targets)
        return loss


class InNoise(nn.Module):
    """Fresh noise of this standard deviation on every input that is trained on."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self._std = std

    def forward(self, inputs: Tensor) -> Tensor:
        """To the same shape."""
        return inputs + self._std * torch.randn_like(inputs) if self.training else inputs


@cache
def _images(count: int) -> Split:
    """So many training images of handwritten digits of half the side, (n, 1, 14, 14)."""
    return changed(
        drawn(*examples.whole(mnist5k()), count), lambda images: nn.functional.avg_pool2d(images, 2)
    )


@cache
def _bands() -> Split:
    """The middle 12 rows of 1,000 training images, three at a time, (n, 4, 42)."""
    return changed(_images(1000), lambda images: images[:, 0, 1:13].reshape(-1, 4, 42))


@cache
def _sounds() -> Split:
    """1,000 training and 2,000 held-out recordings, every eighth frame, (n, 12, 14)."""
    return changed(examples.small_spoken(), lambda frames: frames[:, ::2])


@cache
def _overlaid() -> Split:
    """4,000 training images, each the sum of two of 1,000, (n, 1, 14, 14); which of 10 digits are there, (n, 10).

    Every second one is of every second image, so that the halves of those held out share none.
    """
    generator = torch.Generator().manual_seed(examples.SEED)

    def pairs(part: Examples) -> Examples:
        picked = 2 * torch.randint(len(part.targets) // 2, (2, OVERLAID), generator=generator)
        picked += torch.arange(OVERLAID) % 2
        there = nn.functional.one_hot(part.targets[picked], 10).amax(dim=0)
        return Examples(part.inputs[picked].sum(dim=0), there.float())

    split = _images(1000)
    return Split(train=pairs(split.train), held_out=pairs(split.held_out))


@cache
def _middles() -> Split:
    """The middle columns of 1,000 training images from the others: (n, 14, 8) to (n, 84), less their median."""
    train, held_out = (
        (part.inputs[:, 0], part.inputs[:, 0, :, SIDE:-SIDE].flatten(1))
        for part in (_images(1000).train, _images(1000).held_out)
    )
    median = train[1].median(dim=0).values
    return Split(
        *(
            Examples(torch.cat([images[:, :, :SIDE], images[:, :, -SIDE:]], dim=2), middle - median)
            for images, middle in (train, held_out)
        )
    )


@cache
def _arrivals() -> Split:
    """10,000 training flights; when each arrives by the timetable, as standardised sine and cosine, (n, 2)."""
    when = table()[:, ARRIVES : ARRIVES + 2]
    return drawn(columns(range(ARRIVES), [CARRIER, ORIGIN]), when, 10_000)


@cache
def _destinations() -> Split:
    """20,000 training flights; to which of 104 airports each goes, some of them hardly ever."""
    return drawn(columns(range(NUMBERS), [CARRIER, ORIGIN]), table()[:, DESTINATION].long(), 20_000)


@cache
def _fifths() -> Split:
    """20,000 training windows of the text as their 63 pairs of letters, (n, 63); from which fifth of it each is."""
    windows, characters = kjv()[0].train.inputs, kjv()[1]
    place = torch.arange(len(windows)) * PARTS // len(windows)
    return drawn(windows[:, :-1] * characters + windows[:, 1:], place, 20_000)


def _averaged_cnn() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2, padding=2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )


def _pairs_of_letters() -> nn.Sequential:
    return nn.Sequential(nn.EmbeddingBag(kjv()[1] ** 2, 16), nn.Linear(16, PARTS))


def _normalised(*units: int) -> nn.Sequential:
    """Layer normalisation and GELU after every hidden layer."""
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(units[:-1]):
        layers += [nn.Linear(before, after), nn.LayerNorm(after), nn.GELU()]
    return nn.Sequential(*layers, nn.Linear(*units[-2:]))


def _tied(depth: int) -> nn.Sequential:
    """Of 16 letters: the same hidden layer so many times in a row, no normalisation."""
    again = nn.Linear(64, 64)
    nn.init.kaiming_normal_(again.weight, nonlinearity="relu")
    return nn.Sequential(
        embedding(8),
        nn.Flatten(),
        nn.Linear(128, 64),
        *[nn.ReLU(), again] * depth,
        nn.ReLU(),
        nn.Linear(64, kjv()[1]),
    )


RESERVE: dict[str, Unseen] = {
    "flights-arrivals": Unseen(lambda: perceptron(23, 64, 64, 2), _arrivals, nn.MSELoss, classifies=False),
    "flights-destinations": Unseen(lambda: perceptron(25, 64, DESTINATIONS), _destinations, Focal),
    "kjv-fifths": Unseen(_pairs_of_letters, _fifths),
    "kjv-tied-8": Unseen(lambda: _tied(8), lambda: letters(16)),
    "mnist-200-in-noise": Unseen(
        lambda: nn.Sequential(InNoise(0.5), perceptron(196, 64, 10)), lambda: _images(200)
    ),
    "mnist-averaged-cnn": Unseen(_averaged_cnn, lambda: _images(1000)),
    "mnist-bands-gru": Unseen(lambda: Recurrent(nn.GRU, nn.Identity(), 42, 10), _bands),
    "mnist-middles": Unseen(lambda: perceptron(112, 64, 84), _middles, nn.L1Loss, classifies=False),
    "mnist-overlaid": Unseen(
        lambda: _normalised(196, 64, 64, 10), _overlaid, SeveralLabels, classifies=False
    ),
    "spoken-transformer": Unseen(
        lambda: Attentive(nn.Linear(14, 16), 12, 10, norm_first=True, own_token=False, layers=1), _sounds
    ),
}
