"""Workloads of the benchmark alone: logistic regression, a regression, networks with and without BatchNorm."""

from typing import Any, ClassVar

import torch
from torch import nn

from clr.problem import Problem
from clr.training.batches import StagedBatches
from clr.training.seeding import seeded
from clr.workload import Workload
from worker.workloads.digits import digits
from worker.workloads.mnist5k import mnist5k
from worker.workloads.split import classification

ROWS = 4  # of the 8 in a digit's image: the upper half


class DigitsLogistic(Workload):
    """Logistic regression."""

    name: ClassVar[str] = "digits-logistic"
    description: ClassVar[str] = "Logistic regression on scikit-learn's 8x8 digits"
    default_batch_size: ClassVar[int] = 32

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """One linear layer."""
        with seeded(seed):
            model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        return classification(model, digits(), seed=seed, batch_size=batch_size, device=device)


class DigitsPlainCNN(Workload):
    """A small convolutional network without normalisation."""

    name: ClassVar[str] = "digits-plain-cnn"
    description: ClassVar[str] = "CNN without BatchNorm on scikit-learn's 8x8 digits"
    default_batch_size: ClassVar[int] = 32

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """Two convolutions and two linear layers."""
        with seeded(seed):
            model = nn.Sequential(
                nn.Conv2d(1, 8, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(8, 16, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(256, 32),
                nn.ReLU(),
                nn.Linear(32, 10),
            )
        return classification(model, digits(), seed=seed, batch_size=batch_size, device=device)


class DigitsHalves(Workload):
    """A regression: the lower half of an image from its upper half."""

    name: ClassVar[str] = "digits-halves"
    description: ClassVar[str] = "Perceptron from the upper to the lower half of scikit-learn's 8x8 digits"
    default_batch_size: ClassVar[int] = 32

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """Mean squared error to pixels less their mean in the training set."""
        train, held_out = digits().train.inputs, digits().held_out.inputs
        mean = train[:, 0, ROWS:].mean(dim=0)
        with seeded(seed):
            model = nn.Sequential(nn.Flatten(), nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32))

        def wanted(images: torch.Tensor) -> torch.Tensor:
            return (images[:, 0, ROWS:] - mean).flatten(1)

        return Problem(
            model=model,
            loss=nn.MSELoss(),
            batches=StagedBatches(train[:, :, :ROWS], wanted(train), batch_size=batch_size, seed=seed),
            held_out=(held_out[:, :, :ROWS], wanted(held_out)),
            train_size=len(train),
            classifies=False,
        )


class Mnist5kBatchNormMLP(Workload):
    """A perceptron with batch normalisation."""

    name: ClassVar[str] = "mnist5k-bn-mlp"
    description: ClassVar[str] = "Perceptron with BatchNorm on 5,000 MNIST digits"

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """Three linear layers."""
        layers: list[nn.Module] = [nn.Flatten()]
        with seeded(seed):
            for units in (784, 64):
                layers += [nn.Linear(units, 64, bias=False), nn.BatchNorm1d(64), nn.ReLU()]
            model = nn.Sequential(*layers, nn.Linear(64, 10))
        return classification(model, mnist5k(), seed=seed, batch_size=batch_size, device=device)


class DigitsRandomLabels(Workload):
    """Nothing can be learned: labels drawn anew for each seed."""

    name: ClassVar[str] = "digits-random-labels"
    description: ClassVar[str] = "Perceptron on 8x8 digits whose labels are random"
    default_batch_size: ClassVar[int] = 32

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """One hidden layer."""
        split = digits()
        generator = torch.Generator().manual_seed(seed)
        train, held_out = (
            torch.randint(10, (len(part.targets),), generator=generator)
            for part in (split.train, split.held_out)
        )
        with seeded(seed):
            model = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        return Problem(
            model=model,
            loss=nn.CrossEntropyLoss(),
            batches=StagedBatches(split.train.inputs, train, batch_size=batch_size, seed=seed),
            held_out=(split.held_out.inputs, held_out),
            train_size=len(train),
        )


OWN: tuple[Workload, ...] = (
    DigitsLogistic(),
    DigitsPlainCNN(),
    DigitsHalves(),
    Mnist5kBatchNormMLP(),
    DigitsRandomLabels(),
)
