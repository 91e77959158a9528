"""Optimizers that say no rate needs tuning, each driven as its authors' documents show: a module a package.

An opponent trains a model and answers the one to be judged. The packages are no part of a plain `make setup`;
`make rivals` installs them.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Protocol

import torch
from torch import Tensor, nn

from benchmarks.finders import load_quietly
from benchmarks.rivals.plan import Family
from clr.problem import Batch, Problem
from clr.training.batches import endless

PACKAGES = ("torch", "prodigyopt", "schedulefree", "dog-optimizer", "momo-opt")
WARM_UP = 0.05  # of a training, where an opponent has one
CHECK_EVERY = 100  # steps, whether the loss is still finite


class Diverged(Exception):
    """The loss is not finite any more."""


@dataclass(frozen=True, slots=True)
class Training:
    """What an opponent is given: the model, its batches in their order, the length, and the task's weight decay."""

    problem: Problem
    num_steps: int
    weight_decay: float

    @property
    def model(self) -> nn.Module:
        """In its first state, before anything is trained."""
        return self.problem.model

    @property
    def warm_up(self) -> int:
        """In steps."""
        return max(1, int(WARM_UP * self.num_steps))

    def batches(self) -> Iterator[Batch]:
        """Of the training set, without end."""
        return endless(self.problem.batches)

    def losses(self) -> Iterator[Tensor]:
        """The loss of each step, with its gradient in the parameters. Raises `Diverged`."""
        self.model.train()
        batches = self.batches()
        for step in range(1, self.num_steps + 1):
            inputs, targets = next(batches)
            self.model.zero_grad()
            loss: Tensor = self.problem.loss(self.model(inputs), targets)
            loss.backward()
            yield loss
            if (step % CHECK_EVERY == 0 or step == self.num_steps) and not math.isfinite(loss.item()):
                raise Diverged


Opponent = Callable[[Training], nn.Module]


class Package(Protocol):
    """What a module of this package offers."""

    OPPONENTS: Mapping[Family, Mapping[str, Opponent]]


def opponents(family: Family) -> dict[str, Opponent]:
    """Those of the installed packages, as tables call them."""
    found: dict[str, Opponent] = {}
    for package in PACKAGES:
        if (module := load(package)) is not None:
            told = "" if package == "torch" else f" {version(package)}"
            found |= {
                f"{name}{told}": opponent for name, opponent in module.OPPONENTS.get(family, {}).items()
            }
    return found


def load(package: str) -> Package | None:
    """None where it is not installed."""
    found: Package | None = load_quietly(f"{__name__}.of_{package.replace('-', '_')}")
    return found


def has_batch_norm(model: nn.Module) -> bool:
    """Whether some layer keeps statistics of the batches."""
    return any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in model.modules())


def follow(optimizer: torch.optim.Optimizer, rates: Sequence[float], training: Training) -> nn.Module:
    """A plain optimizer, its rate set before every step."""
    for rate, _ in zip(rates, training.losses(), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
    return training.model
