"""Handwritten digits: scikit-learn's 1,797 images of 8x8 pixels in 10 classes (the UCI test set)."""

from functools import cache
from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict, Field
from sklearn.datasets import load_digits
from torch import nn

from clr.training import StagedBatches, seeded
from clr.workload import Problem, Workload
from worker.workloads.split import Split, stratified

HELD_OUT = 400


@cache
def digits() -> Split:
    """1,397 training and 400 held-out images, (n, 1, 8, 8), standardised; classes (n,)."""
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1)
    return stratified(images, torch.tensor(data.target), held_out=HELD_OUT)


class MLPParams(BaseModel):
    """The shape of the network."""

    model_config = ConfigDict(extra="forbid")

    hidden: int = Field(default=128, ge=1, le=4096, description="units of each hidden layer")
    depth: int = Field(default=2, ge=1, le=8, description="number of hidden layers")


class CNNParams(BaseModel):
    """The shape of the network."""

    model_config = ConfigDict(extra="forbid")

    width: int = Field(default=16, ge=1, le=256, description="channels of the first convolution")


class DigitsMLP(Workload):
    """A plain multilayer perceptron."""

    name: ClassVar[str] = "digits-mlp"
    description: ClassVar[str] = (
        "Multilayer perceptron on scikit-learn's 8x8 digits (1,397 train, 400 held out)"
    )
    Params: ClassVar[type[BaseModel]] = MLPParams
    default_batch_size: ClassVar[int] = 32

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """ReLU layers and cross entropy."""
        with seeded(seed):
            layers: list[nn.Module] = [nn.Flatten()]
            units = 64
            for _ in range(params.depth):
                layers += [nn.Linear(units, params.hidden), nn.ReLU()]
                units = params.hidden
            model = nn.Sequential(*layers, nn.Linear(units, 10))
        return classification(model, digits(), seed=seed, batch_size=batch_size, device=device)


class DigitsCNN(Workload):
    """A small convolutional network with batch normalisation."""

    name: ClassVar[str] = "digits-cnn"
    description: ClassVar[str] = "CNN with BatchNorm on scikit-learn's 8x8 digits (1,397 train, 400 held out)"
    Params: ClassVar[type[BaseModel]] = CNNParams
    default_batch_size: ClassVar[int] = 32

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """Two convolutions and cross entropy."""
        with seeded(seed):
            model = convolutional(params.width, strides=(1, 2))
        return classification(model, digits(), seed=seed, batch_size=batch_size, device=device)


def convolutional(width: int, *, strides: tuple[int, int]) -> nn.Module:
    """conv-BN-ReLU twice (`width`, then 2 x `width` channels), pooled to 4x4, a linear layer."""
    layers: list[nn.Module] = []
    channels = 1
    for stride, wider in zip(strides, (width, 2 * width), strict=True):
        layers += [nn.Conv2d(channels, wider, 3, stride=stride, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(wider), nn.ReLU()]
        channels = wider
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * channels, 10))


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
