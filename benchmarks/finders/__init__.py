"""Other packages' learning-rate finders, driven as their documents show: a module a package.

`ready` is a sweep without its early stop, to be timed; `RULES` are the package's answers with its own defaults.
The packages are no part of a plain `make setup`; `make speed` and `make quality` install them.
"""

import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Protocol, Self

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from clr.optimizers import OptimizerSpec
from clr.problem import Problem
from clr.sweep import SweepPlan
from clr.training.batches import StagedBatches
from clr.training.optimizers import make_optimizer

PACKAGES = ("torch-lr-finder", "lightning", "fastai")


@dataclass(frozen=True, slots=True)
class Training:
    """What a finder is given: the same model, loss, data, batch size and optimizer as our own range test."""

    model: nn.Module
    loss: nn.Module
    optimizer: torch.optim.Optimizer
    loader: DataLoader[tuple[torch.Tensor, ...]]

    @classmethod
    def of(cls, problem: Problem, spec: OptimizerSpec) -> Self:
        """Of a problem whose batches are staged; they are shuffled by torch's global generator."""
        staged = problem.batches
        assert isinstance(staged, StagedBatches)
        dataset = TensorDataset(staged.inputs, staged.targets)
        loader = DataLoader(dataset, batch_size=staged.batch_size, shuffle=True, drop_last=True)
        optimizer = make_optimizer(spec, problem.model, problem.parameter_groups)
        return cls(problem.model.train(), problem.loss, optimizer, loader)


class Finder(Protocol):
    """What a module of this package offers."""

    RULES: Mapping[str, Callable[[Training], float | None]]

    def ready(self, training: Training, plan: SweepPlan) -> Callable[[], object]:
        """The sweep of a plan: exponential, all of its steps."""


def finder(package: str) -> Finder | None:
    """None where the package is not installed."""
    found: Finder | None = load_quietly(f"{__name__}.{package.replace('-', '_')}")
    return found


def load_quietly(module: str) -> Any:
    """The module, whatever its package says while it is imported; None where that is not installed."""
    try:
        with quiet():
            return importlib.import_module(module)
    except ModuleNotFoundError:
        return None


def title(package: str) -> str:
    """Name and version."""
    return f"{package} {version(package)}"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No prints, warnings or logs."""
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
