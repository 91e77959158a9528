"""Workloads that a plain torch loop trains, each unusual in its own way; put this folder on PYTHONPATH."""

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from clr.problem import Batch, Problem
from clr.training.batches import StagedBatches
from clr.training.seeding import seeded
from clr.workload import Workload

NUMBERS = torch.rand(400, 10, generator=torch.Generator().manual_seed(0))
RANKS = NUMBERS.argsort(dim=1).argsort(dim=1)
HIGH = (NUMBERS.mean(dim=1) > 0.5).long()
WORDS = (NUMBERS * 200).long()
HELD_OUT = 100


class Unusual(Workload):
    """Tells whether ten numbers are high on average; the others change something."""

    description: ClassVar[str] = "trains in a plain torch loop"
    default_batch_size: ClassVar[int] = 20
    inputs, targets, loss, classifies = NUMBERS, HIGH, nn.CrossEntropyLoss, True

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 2))

    def batches(self, *, batch_size: int, seed: int) -> Any:
        train = self.inputs[HELD_OUT:], self.targets[HELD_OUT:]
        return StagedBatches(*train, batch_size=batch_size, seed=seed)

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        with seeded(seed):
            model = self.model()
        return Problem(
            model=model,
            loss=self.loss(),
            batches=self.batches(batch_size=batch_size, seed=seed),
            held_out=(self.inputs[:HELD_OUT], self.targets[:HELD_OUT]),
            train_size=len(self.targets) - HELD_OUT,
            classifies=self.classifies,
        )


class Sparse(Unusual):
    name: ClassVar[str] = "sparse"
    default_optimizer: ClassVar[dict[str, Any]] = {"name": "SGD"}
    inputs = WORDS

    def model(self) -> nn.Module:
        return nn.Sequential(nn.EmbeddingBag(200, 16, sparse=True), nn.Linear(16, 2))


class SparseAdam(Sparse):
    name: ClassVar[str] = "sparse-adam"
    default_optimizer: ClassVar[dict[str, Any]] = {"name": "AdamW"}


class Spectrum(nn.Module):
    """A complex weight between two Fourier transforms."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 6, dtype=torch.cfloat) / 6)
        self.last = nn.Linear(10, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.last(torch.fft.irfft(torch.fft.rfft(inputs) @ self.weight, n=10))
        return outputs


class Complex(Unusual):
    name: ClassVar[str] = "complex"
    default_optimizer: ClassVar[dict[str, Any]] = {"name": "AdamW"}

    def model(self) -> nn.Module:
        return Spectrum()


class Double(Unusual):
    name: ClassVar[str] = "double"
    inputs = NUMBERS.double()

    def model(self) -> nn.Module:
        return super().model().double()


class Lazy(Unusual):
    name: ClassVar[str] = "lazy"

    def model(self) -> nn.Module:
        return nn.Sequential(nn.LazyLinear(16), nn.LazyBatchNorm1d(), nn.ReLU(), nn.LazyLinear(2))


class InDim1(Unusual):
    """Ranks ten numbers: as many classes as places."""

    name: ClassVar[str] = "in-dim-1"
    default_optimizer: ClassVar[dict[str, Any]] = {"name": "AdamW"}
    targets = RANKS

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(10, 100), nn.ReLU(), nn.Linear(100, 100), nn.Unflatten(1, (10, 10)))


class OfItsOwn(nn.Module):
    """A loss that does not tell the axis of its classes."""

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs, targets)


class EitherDim(InDim1):
    name: ClassVar[str] = "either-dim"
    loss: Any = OfItsOwn


class Two(nn.Module):
    """Answers scores and what it made of the inputs, in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.last = nn.Linear(10, 16), nn.Linear(16, 2)

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        hidden = self.hidden(inputs).relu()
        return {"hidden": hidden, "logits": self.last(hidden)}


class OfLogits(nn.CrossEntropyLoss):
    """Of a dict of outputs."""

    def forward(self, outputs: Any, targets: Tensor) -> Tensor:
        return super().forward(outputs["logits"], targets)


class SeveralOutputs(Unusual):
    name: ClassVar[str] = "several-outputs"
    loss: Any = OfLogits

    def model(self) -> nn.Module:
        return Two()


class YesOrNo(Unusual):
    name: ClassVar[str] = "yes-or-no"
    targets, loss = HIGH[:, None].float(), nn.BCEWithLogitsLoss  # type: ignore[assignment]

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Linear(16, 1))


class Probable(Unusual):
    name: ClassVar[str] = "probable"
    targets = nn.functional.one_hot(HIGH, 2) * 0.8 + 0.1


class Rows(IterableDataset[Batch]):
    """One example after the other, nobody knows how many."""

    def __iter__(self) -> Iterator[Batch]:
        return zip(NUMBERS[HELD_OUT:], HIGH[HELD_OUT:], strict=True)


class Stream(Unusual):
    name: ClassVar[str] = "stream"

    def batches(self, *, batch_size: int, seed: int) -> Any:
        return DataLoader(Rows(), batch_size=batch_size)

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        built = super().build(params, seed=seed, batch_size=batch_size, device=device)
        return Problem(
            model=built.model,
            loss=built.loss,
            batches=built.batches,
            held_out=built.held_out,
            train_size=None,
        )


class LeavesOne(Unusual):
    """The last batch of a pass is one example, and BatchNorm wants two."""

    name: ClassVar[str] = "leaves-one"

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(10, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))

    def batches(self, *, batch_size: int, seed: int) -> Any:
        return DataLoader(list(zip(NUMBERS[:61], HIGH[:61], strict=True)), batch_size=20)  # type: ignore[arg-type]


class Summed(Unusual):
    name: ClassVar[str] = "summed"

    @staticmethod
    def loss() -> nn.Module:
        return nn.CrossEntropyLoss(reduction="sum")


class IdleLoss(nn.CrossEntropyLoss):
    """Has a temperature that nobody trains."""

    def __init__(self) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(()))

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return super().forward(outputs / self.temperature, targets)


class Idle(Unusual):
    name: ClassVar[str] = "idle"
    loss = IdleLoss


class Dropped(Unusual):
    """Its loader drops the only batch of a pass."""

    name: ClassVar[str] = "dropped"

    def batches(self, *, batch_size: int, seed: int) -> Any:
        return DataLoader(list(zip(NUMBERS[:9], HIGH[:9], strict=True)), batch_size=20, drop_last=True)  # type: ignore[arg-type]


ALL: dict[str, Workload] = {
    kind.name: kind()
    for kind in (
        Sparse, SparseAdam, Complex, Double, Lazy, InDim1, EitherDim, SeveralOutputs, YesOrNo, Probable, Stream,
        LeavesOne, Summed, Idle, Dropped,
    )
}  # fmt: skip
