"""Handwritten digits: scikit-learn's 1,797 images of 8x8 pixels in 10 classes (the UCI test set)."""

from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import BaseModel
from torch import nn

from clr.problem import Problem
from clr.training.seeding import seeded
from clr.workload import Workload
from worker.workloads.files import packaged
from worker.workloads.networks import CNNParams, MLPParams, convolutional, perceptron
from worker.workloads.split import Split, classification, stratified

HELD_OUT = 400


@cache
def digits() -> Split:
    """1,397 training and 400 held-out images, (n, 1, 8, 8), standardised; classes (n,)."""
    file = packaged(
        "sklearn",
        "datasets/data/digits.csv.gz",
        data="scikit-learn's digits",
        requirement="scikit-learn==1.9.1",
    )
    table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    images = torch.tensor(table[:, :-1], dtype=torch.float32).reshape(-1, 1, 8, 8)
    return stratified(images, torch.tensor(table[:, -1], dtype=torch.int64), held_out=HELD_OUT)


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
            model = nn.Sequential(nn.Flatten(), *perceptron(64, params, classes=10))
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
