"""What the hard tasks learn from: small pictures, sounds and letters, few of a class, or with wrong labels.

About 2,000 examples are held out where there are so many; only a training set is ever spoilt.
"""

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn

from benchmarks.quality.small import few
from benchmarks.quality.unseen import changed
from worker.workloads.digits import digits
from worker.workloads.flights import NUMBERS, flights
from worker.workloads.kjv import kjv
from worker.workloads.mnist5k import mnist5k
from worker.workloads.split import Examples, Split, spread
from worker.workloads.spoken_digits import spoken_digits

SEED = 7  # of what is spoilt or drawn, the same for every seed of a training
CONTEXT = 16  # characters
TIMES_RARER = 50  # the last class than the first
WRONG = 0.4  # of the labels
DIGITS_IN_ROW = 3


@cache
def small_digits() -> Split:
    """797 training and 1,000 held-out images, (n, 1, 8, 8)."""
    return few(digits(), 797)


@cache
def small_mnist() -> Split:
    """3,000 training and 2,000 held-out images of half the side, (n, 1, 14, 14), shuffled."""
    split = few(mnist5k(), 3000)
    order = torch.randperm(len(split.held_out.targets), generator=torch.Generator().manual_seed(SEED))
    shuffled = Examples(split.held_out.inputs[order], split.held_out.targets[order])
    return changed(replace(split, held_out=shuffled), lambda images: nn.functional.avg_pool2d(images, 2))


@cache
def mnist_rows() -> Split:
    """The small images as sequences of their rows, (n, 14, 14)."""
    return changed(small_mnist(), lambda images: images[:, 0])


@cache
def mnist_bytes() -> Split:
    """The small images as nobody has scaled them, from 0 to 255."""
    low = small_mnist().train.inputs.min()
    high = small_mnist().train.inputs.max()
    return changed(small_mnist(), lambda images: 255 * (images - low) / (high - low))


@cache
def mnist_lower_halves() -> Split:
    """The lower half of a small image from the upper one: (n, 98) to (n, 98), less the training's mean."""
    train, held_out = (part.inputs[:, 0].flatten(1) for part in (small_mnist().train, small_mnist().held_out))
    mean = train[:, 98:].mean(dim=0)
    return Split(*(Examples(images[:, :98], images[:, 98:] - mean) for images in (train, held_out)))


@cache
def mnist_known() -> Examples:
    """The 2,500 small images of 0 to 4."""
    images, classes = whole(small_mnist())
    return Examples(images[classes < 5], classes[classes < 5])


@cache
def mnist_new() -> Split:
    """500 training and 2,000 held-out small images of 5 to 9; their classes are counted from 0."""
    images, classes = whole(small_mnist())
    new = Examples(images[classes >= 5], classes[classes >= 5] - 5)
    picked = spread(new.targets, 500)
    return Split(*(Examples(new.inputs[those], new.targets[those]) for those in (picked, ~picked)))


def whole(split: Split) -> tuple[Tensor, Tensor]:
    """All inputs and all targets."""
    return (
        torch.cat([split.train.inputs, split.held_out.inputs]),
        torch.cat([split.train.targets, split.held_out.targets]),
    )


@cache
def small_spoken() -> Split:
    """1,000 training and 2,000 held-out recordings, every fourth frame from the last to the first, (n, 23, 14).

    So a recurrent network ends on a sound, and not on the silence that makes all recordings equally long.
    """
    return changed(
        few(spoken_digits(), 1000), lambda sounds: sounds[:, :, ::4].flip(2).transpose(1, 2).contiguous()
    )


@cache
def flights_numbers() -> Split:
    """325,346 training and 2,000 held-out flights by their six numbers alone, (n, 6)."""
    return changed(flights()[0], lambda inputs: inputs[:, :NUMBERS].contiguous())


@cache
def next_characters() -> tuple[Split, int]:
    """257,772 training and 2,639 held-out characters after the 16 before, (n, 16); the size of the alphabet.

    Those held out are every fourth of their book, so that what stands before them overlaps.
    """
    split, characters = kjv()
    return Split(_after(split.train, CONTEXT), _after(split.held_out, 4)), characters


def _after(windows: Examples, step: int) -> Examples:
    before = windows.inputs.unfold(1, CONTEXT, step).flatten(0, 1).contiguous()
    return Examples(before, windows.targets[:, CONTEXT - 1 :: step].flatten())


@cache
def digits_in_a_row() -> Split:
    """4,000 training and 2,000 held-out rows of 3 digits in 12 frames, (n, 12, 16); (n, 3), counted from 1."""
    split, generator = small_digits(), torch.Generator().manual_seed(SEED)

    def rows(part: Examples, count: int) -> Examples:
        picked = torch.randint(len(part.targets), (count, DIGITS_IN_ROW), generator=generator)
        columns = part.inputs[picked][:, :, 0].transpose(2, 3)  # (n, 3, 8 columns, 8)
        return Examples(columns.reshape(count, 4 * DIGITS_IN_ROW, 16), part.targets[picked] + 1)

    return Split(train=rows(split.train, 4000), held_out=rows(split.held_out, 2000))


def long_tailed(split: Split) -> Split:
    """Every class of the training set rarer than the one before, the last of 10 fifty times rarer than the first."""
    classes = split.train.targets
    kept = torch.zeros(len(classes), dtype=torch.bool)
    for number in range(10):
        of_class = (classes == number).nonzero()[:, 0]
        kept[of_class[: max(1, round(len(of_class) * TIMES_RARER ** (-number / 9)))]] = True
    return replace(split, train=Examples(split.train.inputs[kept], classes[kept]))


def mislabelled(split: Split, share: float = WRONG) -> Split:
    """This share of the training labels is another of the 10 classes."""
    generator = torch.Generator().manual_seed(SEED)
    classes = split.train.targets
    wrong = torch.rand(len(classes), generator=generator) < share
    others = (classes + torch.randint(1, 10, classes.shape, generator=generator)) % 10
    return replace(split, train=Examples(split.train.inputs, torch.where(wrong, others, classes)))
