"""Workloads of the tasks that no constant was chosen on."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar

import torch
from sklearn.datasets import load_breast_cancer, load_diabetes
from torch import Tensor, nn

from clr.problem import Problem
from clr.training.seeding import seeded
from clr.workload import Workload
from worker.workloads.digits import digits
from worker.workloads.kjv import NextCharacter, kjv
from worker.workloads.mnist5k import mnist5k
from worker.workloads.split import Examples, Split, classification, spread
from worker.workloads.spoken_digits import spoken_digits

WIDTH = 32


class Last(nn.Module):
    """A GRU over (n, time, features), and a linear layer on its last state."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.states, self.head = nn.GRU(features, WIDTH, batch_first=True), nn.Linear(WIDTH, classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, time, features) to (n, classes)."""
        outputs: Tensor = self.head(self.states(inputs)[1][0])
        return outputs


class EachCharacter(nn.Module):
    """A GRU over characters, and a linear layer on each of its states."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, WIDTH)
        self.states, self.head = nn.GRU(WIDTH, 2 * WIDTH, batch_first=True), nn.Linear(2 * WIDTH, characters)

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, characters) to (n, characters, alphabet)."""
        outputs: Tensor = self.head(self.states(self.embedding(inputs))[0])
        return outputs


class Patches(nn.Module):
    """A transformer over the 16 patches of an 8x8 image, post-norm as torch has it."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, WIDTH, 2, stride=2)
        self.positions = nn.Parameter(0.02 * torch.randn(16, WIDTH))
        layer = nn.TransformerEncoderLayer(WIDTH, 4, 2 * WIDTH, dropout=0.1, batch_first=True)
        self.layers, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(WIDTH, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, 1, 8, 8) to (n, 10)."""
        tokens = self.patches(inputs).flatten(2).transpose(1, 2) + self.positions
        outputs: Tensor = self.head(self.layers(tokens).mean(dim=1))
        return outputs


def perceptron(*units: int, dropout: float = 0.0) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(units[:-1]):
        layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(*units[-2:]))


def _group_norm_cnn() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.GroupNorm(4, 16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.GroupNorm(4, 32),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 10),
    )


@cache
def breast_cancer() -> Split:
    """455 training and 114 held-out tumours, 30 standardised features: (n, 30); classes (n,)."""
    inputs, targets = map(torch.tensor, load_breast_cancer(return_X_y=True))
    kept_back = spread(targets, 114)
    return split_at(scaled(inputs, kept_back), targets, kept_back)


@cache
def diabetes() -> Split:
    """342 training and 100 held-out patients, 10 standardised features: (n, 10); targets (n, 1), standardised."""
    inputs, targets = map(torch.tensor, load_diabetes(return_X_y=True))
    kept_back = spread(torch.zeros(len(targets), dtype=torch.int64), 100)
    return split_at(scaled(inputs, kept_back), scaled(targets[:, None], kept_back), kept_back)


def scaled(values: Tensor, kept_back: Tensor) -> Tensor:
    train = values[~kept_back]
    return ((values - train.mean(dim=0)) / train.std(dim=0)).float()


def split_at(inputs: Tensor, targets: Tensor, kept_back: Tensor) -> Split:
    return Split(
        train=Examples(inputs[~kept_back], targets[~kept_back]),
        held_out=Examples(inputs[kept_back], targets[kept_back]),
    )


def _rows() -> Split:
    """Images as sequences of their rows: (n, 8, 8)."""
    return changed(digits(), lambda inputs: inputs[:, 0])


def _frames() -> Split:
    """Recordings as sequences of every second frame: (n, 46, 14)."""
    return changed(spoken_digits(), lambda inputs: inputs[:, :, ::2].transpose(1, 2).contiguous())


def changed(split: Split, change: Callable[[Tensor], Tensor]) -> Split:
    """The same with other inputs."""
    train, held_out = (replace(part, inputs=change(part.inputs)) for part in (split.train, split.held_out))
    return Split(train=train, held_out=held_out)


class Unseen(Workload):
    """A network on a split."""

    default_batch_size: ClassVar[int] = 32

    def __init__(
        self,
        network: Callable[[], nn.Module],
        split: Callable[[], Split],
        loss: Callable[[], nn.Module] = nn.CrossEntropyLoss,
        *,
        classifies: bool = True,
    ) -> None:
        self._network, self._split, self._loss, self._classifies = network, split, loss, classifies

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """The network drawn from the seed."""
        data = self._split()
        with seeded(seed):
            model = self._network()
        problem = classification(model, data, seed=seed, batch_size=batch_size, device=device)
        return replace(problem, loss=self._loss(), classifies=self._classifies)


UNSEEN: dict[str, Unseen] = {
    "digits-gru": Unseen(lambda: Last(8, 10), _rows),
    "digits-deep-mlp": Unseen(lambda: perceptron(64, *[64] * 6, 10), digits),
    "digits-patches": Unseen(Patches, digits),
    "digits-group-norm-cnn": Unseen(_group_norm_cnn, digits),
    "breast-cancer-mlp": Unseen(lambda: perceptron(30, 32, 2), breast_cancer),
    "diabetes-mlp": Unseen(lambda: perceptron(10, 32, 1), diabetes, nn.MSELoss, classifies=False),
    "mnist5k-mlp": Unseen(lambda: perceptron(784, 128, 10, dropout=0.3), mnist5k),
    "spoken-digits-gru": Unseen(lambda: Last(14, 10), _frames),
    "kjv-gru": Unseen(lambda: EachCharacter(kjv()[1]), lambda: kjv()[0], NextCharacter),
}
