"""Workloads that each break the contract in one way (`Sound` in none); put this folder on PYTHONPATH."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from clr.problem import Batch, DatasetMissing, ParameterGroup, Problem
from clr.training.batches import StagedBatches
from clr.training.seeding import seeded
from clr.workload import Workload

INPUTS = torch.linspace(-1, 1, 400).reshape(100, 4)[
    torch.randperm(100, generator=torch.Generator().manual_seed(0))
]
TARGETS = (INPUTS.sum(dim=1) > 0).long()
HELD_OUT = 20


class Sound(Workload):
    """A linear classifier with nothing wrong; the others change one thing of it."""

    name: ClassVar[str] = "sound"
    description: ClassVar[str] = "nothing is wrong with it"
    default_batch_size: ClassVar[int] = 8

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        with seeded(seed):
            model = nn.Linear(4, 2)
        inputs, targets = INPUTS.to(device), TARGETS.to(device)
        train = inputs[HELD_OUT:], targets[HELD_OUT:]
        return Problem(
            model=model,
            loss=nn.CrossEntropyLoss(),
            batches=StagedBatches(*train, batch_size=batch_size, seed=seed),
            held_out=(inputs[:HELD_OUT], targets[:HELD_OUT]),
            train_size=len(train[0]),
        )


def sound(seed: int = 0) -> Problem:
    return Sound().build(Sound.Params(), seed=seed, batch_size=8, device="cpu")


class Misnamed(Sound):
    name: ClassVar[str] = "well-named"


class Undeclared(Workload):
    default_batch_size: ClassVar[int] = 0
    default_optimizer: ClassVar[dict[str, Any]] = {"name": "SGD", "momentum": "much"}
    Params: ClassVar[Any] = dict

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        return sound(seed)


class Unfinished(Workload):
    name: ClassVar[str] = "unfinished"
    description: ClassVar[str] = "build is missing"


class NotAWorkload:
    name = "not-a-workload"


class InfiniteDefault(Sound):
    name: ClassVar[str] = "infinite-default"

    class Params(BaseModel):
        model_config = ConfigDict(extra="forbid")

        limit: float = float("inf")


class Loose(Sound):
    name: ClassVar[str] = "loose"

    class Params(BaseModel):
        width: int = 4


class Demanding(Sound):
    name: ClassVar[str] = "demanding"

    class Params(BaseModel):
        model_config = ConfigDict(extra="forbid")

        width: int


class Contradicting(Sound):
    name: ClassVar[str] = "contradicting"

    class Params(BaseModel):
        model_config = ConfigDict(extra="forbid")

        width: int = Field(default=0, ge=1)


class Raising(Sound):
    name: ClassVar[str] = "raising"

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        raise ArithmeticError("the workload's own mistake")


class Missing(Sound):
    name: ClassVar[str] = "missing"

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        raise DatasetMissing("the data is not here; bring it with: fetch-data")


class Bare(Sound):
    name: ClassVar[str] = "bare"

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Any:
        return sound(seed).model, sound(seed).loss


class Changed(Sound):
    """Sound, but for what `change` says."""

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        return replace(sound(seed), **self.change(seed))

    def change(self, seed: int) -> dict[str, Any]:
        raise NotImplementedError


class FunctionLoss(Changed):
    name: ClassVar[str] = "function-loss"

    def change(self, seed: int) -> dict[str, Any]:
        return {"loss": nn.functional.cross_entropy}


class Frozen(Changed):
    name: ClassVar[str] = "frozen"

    def change(self, seed: int) -> dict[str, Any]:
        return {"model": nn.Linear(4, 2).requires_grad_(False)}


class NoTrainSize(Changed):
    name: ClassVar[str] = "no-train-size"

    def change(self, seed: int) -> dict[str, Any]:
        return {"train_size": 0}


class Uneven(Changed):
    name: ClassVar[str] = "uneven"

    def change(self, seed: int) -> dict[str, Any]:
        return {"held_out": (INPUTS[:20], TARGETS[:19])}


class NothingHeldOut(Changed):
    name: ClassVar[str] = "nothing-held-out"

    def change(self, seed: int) -> dict[str, Any]:
        return {"held_out": (INPUTS[:0], TARGETS[:0])}


class LoaderHeldOut(Changed):
    name: ClassVar[str] = "loader-held-out"

    def change(self, seed: int) -> dict[str, Any]:
        return {"held_out": [(INPUTS[:8], TARGETS[:8])]}


class ShiftingHeldOut(Changed):
    name: ClassVar[str] = "shifting-held-out"

    def change(self, seed: int) -> dict[str, Any]:
        return {"held_out": (INPUTS[seed : seed + 8], TARGETS[seed : seed + 8])}


class Regression(Changed):
    name: ClassVar[str] = "regression"

    def change(self, seed: int) -> dict[str, Any]:
        targets = INPUTS.sum(dim=1, keepdim=True)
        return {
            "model": nn.Linear(4, 1),
            "loss": nn.MSELoss(),
            "batches": StagedBatches(INPUTS, targets, batch_size=8, seed=seed),
            "held_out": (INPUTS, targets),
        }


class ColumnTargets(Changed):
    name: ClassVar[str] = "column-targets"

    class Loss(nn.CrossEntropyLoss):
        def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
            return super().forward(outputs, targets[:, 0])

    def change(self, seed: int) -> dict[str, Any]:
        targets = TARGETS.unsqueeze(1)
        return {
            "loss": self.Loss(),
            "batches": StagedBatches(INPUTS, targets, batch_size=8, seed=seed),
            "held_out": (INPUTS, targets),
        }


class OneModel(Changed):
    name: ClassVar[str] = "one-model"
    model = nn.Linear(4, 2)

    def change(self, seed: int) -> dict[str, Any]:
        return {"model": self.model}


class Unseeded(Changed):
    name: ClassVar[str] = "unseeded"

    def change(self, seed: int) -> dict[str, Any]:
        return {"model": nn.Linear(4, 2)}


class UnseededOrder(Changed):
    name: ClassVar[str] = "unseeded-order"

    def change(self, seed: int) -> dict[str, Any]:
        chance = random.randrange(2**32)
        return {"batches": StagedBatches(INPUTS, TARGETS, batch_size=8, seed=chance)}


class Deaf(Changed):
    """Only its dropout differs between seeds, and that is no work of its own."""

    name: ClassVar[str] = "deaf"

    def change(self, seed: int) -> dict[str, Any]:
        return {"model": nn.Sequential(nn.Dropout(0.1), sound(0).model), "batches": sound(0).batches}


class Wandering(Changed):
    """Its batches are any iterable's, in an order of their own."""

    name: ClassVar[str] = "wandering"

    class Batches:
        def __iter__(self) -> Iterator[Batch]:
            while True:
                indices = random.sample(range(HELD_OUT, 100), 8)
                yield INPUTS[indices], TARGETS[indices]

    def change(self, seed: int) -> dict[str, Any]:
        return {"batches": self.Batches()}


class NoBatches(Changed):
    name: ClassVar[str] = "no-batches"

    def change(self, seed: int) -> dict[str, Any]:
        return {"batches": []}


class Ending(Changed):
    name: ClassVar[str] = "ending"

    def change(self, seed: int) -> dict[str, Any]:
        batches = list(zip(INPUTS.split(8), TARGETS.split(8), strict=True))
        return {"batches": iter(batches[:5])}


class InputsAlone(Changed):
    name: ClassVar[str] = "inputs-alone"

    def change(self, seed: int) -> dict[str, Any]:
        return {"batches": [INPUTS[:8]]}


class WrongShape(Changed):
    name: ClassVar[str] = "wrong-shape"

    def change(self, seed: int) -> dict[str, Any]:
        with seeded(seed):
            return {"model": nn.Linear(3, 2)}


class WrongTargets(Changed):
    name: ClassVar[str] = "wrong-targets"

    def change(self, seed: int) -> dict[str, Any]:
        return {"loss": nn.NLLLoss(weight=torch.ones(3))}


class LossOf(nn.Module):
    """Cross entropy, spoilt."""

    def __init__(self, spoil: Any) -> None:
        super().__init__()
        self.spoil = spoil

    def forward(self, outputs: Tensor, targets: Tensor) -> Any:
        return self.spoil(nn.functional.cross_entropy(outputs, targets, reduction="none"))


class NoMean(Changed):
    name: ClassVar[str] = "no-mean"

    def change(self, seed: int) -> dict[str, Any]:
        return {"loss": LossOf(lambda losses: losses)}


class NotFinite(Changed):
    name: ClassVar[str] = "not-finite"

    def change(self, seed: int) -> dict[str, Any]:
        return {"loss": LossOf(lambda losses: losses.mean() * float("nan"))}


class Detached(Changed):
    name: ClassVar[str] = "detached"

    def change(self, seed: int) -> dict[str, Any]:
        return {"loss": LossOf(lambda losses: losses.detach().mean())}


class Flat(Changed):
    name: ClassVar[str] = "flat"

    def change(self, seed: int) -> dict[str, Any]:
        return {"loss": LossOf(lambda losses: losses.mean() * 0 + seed)}


class Elsewhere(Changed):
    """Its loss has a gradient, but not through the model."""

    name: ClassVar[str] = "elsewhere"

    def change(self, seed: int) -> dict[str, Any]:
        free = torch.ones((), requires_grad=True)
        return {"loss": LossOf(lambda losses: losses.detach().mean() * free)}


class HalfUsed(Changed):
    name: ClassVar[str] = "half-used"

    class Model(nn.Linear):
        def __init__(self) -> None:
            super().__init__(4, 2)
            self.spare = nn.Linear(4, 2, bias=False)

    def change(self, seed: int) -> dict[str, Any]:
        with seeded(seed):
            return {"model": self.Model()}


class NamedTargets(Changed):
    """Several targets in a dict, and an accuracy asked for."""

    name: ClassVar[str] = "named-targets"

    class Loss(nn.CrossEntropyLoss):
        def forward(self, outputs: Tensor, targets: Any) -> Tensor:
            return super().forward(outputs, targets["side"])

    def change(self, seed: int) -> dict[str, Any]:
        targets = {"side": TARGETS, "sum": INPUTS.sum(dim=1)}
        return {
            "loss": self.Loss(),
            "batches": StagedBatches(INPUTS, targets, batch_size=8, seed=seed),
            "held_out": (INPUTS, targets),
        }


class LeftOut(Changed):
    """Its parameter groups hold one parameter of two."""

    name: ClassVar[str] = "left-out"

    def change(self, seed: int) -> dict[str, Any]:
        with seeded(seed):
            model = nn.Linear(4, 2)
        return {"model": model, "parameter_groups": [ParameterGroup([model.weight])]}


class OneColumn(Changed):
    """Yes or no in one column: its largest is always the first."""

    name: ClassVar[str] = "one-column"

    class Loss(nn.BCEWithLogitsLoss):
        def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
            return super().forward(outputs[:, 0], targets.float())

    def change(self, seed: int) -> dict[str, Any]:
        with seeded(seed):
            return {"model": nn.Linear(4, 1), "loss": self.Loss()}


class Nowhere(Changed):
    name: ClassVar[str] = "nowhere"

    def change(self, seed: int) -> dict[str, Any]:
        return {"model": nn.Linear(4, 2, device="meta")}


class CallableBatches(Changed):
    name: ClassVar[str] = "callable-batches"

    def change(self, seed: int) -> dict[str, Any]:
        return {"batches": sound}


class ArrayHeldOut(Changed):
    name: ClassVar[str] = "array-held-out"

    def change(self, seed: int) -> dict[str, Any]:
        return {"held_out": (INPUTS.numpy(), TARGETS.numpy())}
