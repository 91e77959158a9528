"""The networks of the hard tasks."""

from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor, nn

from benchmarks.quality.examples import mnist_known
from benchmarks.quality.unseen import perceptron
from clr.training.seeding import seeded

PRETRAINING = 600  # steps


def plain(units: Sequence[int], activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers, no normalisation; weights drawn as suits the activation (Glorot's, with its gain)."""
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(units):
        layers += [nn.Linear(before, after), activation()]
    network = nn.Sequential(*layers[:-1])
    _draw(network, activation)
    return network


def plain_cnn(depth: int, channels: int) -> nn.Sequential:
    """Convolutions over an 8x8 image, no normalisation, the mean over places."""
    layers: list[nn.Module] = []
    for before in (1, *[channels] * (depth - 1)):
        layers += [nn.Conv2d(before, channels, 3, padding=1, stride=2 if len(layers) == 2 else 1), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * channels, 10))
    _draw(network, nn.ReLU)
    return network


def _draw(network: nn.Module, activation: type[nn.Module]) -> None:
    gain = nn.init.calculate_gain(activation.__name__.lower())
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_normal_(module.weight, gain)
            nn.init.zeros_(module.bias)


def strided_cnn(channels: int) -> nn.Sequential:
    """Two convolutions with batch normalisation over a 14x14 image."""
    layers: list[nn.Module] = []
    for before in (1, channels):
        layers += [nn.Conv2d(before, channels, 3, stride=2, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(channels), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * channels, 10))


class Recurrent(nn.Module):
    """A recurrent layer of a kind over (n, time, features) or characters; a linear layer on its last state, or on
    each."""

    def __init__(
        self, kind: type[nn.RNNBase], tokens: nn.Module, features: int, outputs: int, *, each: bool = False
    ) -> None:
        super().__init__()
        self.tokens, self.states = tokens, kind(features, 32, batch_first=True)
        self.head, self._each = nn.Linear(32, outputs), each

    def forward(self, inputs: Tensor) -> Tensor:
        """To (n, outputs), or (n, time, outputs)."""
        states = self.states(self.tokens(inputs))[0]
        outputs: Tensor = self.head(states if self._each else states[:, -1])
        return outputs


class Attentive(nn.Module):
    """A transformer over `length` tokens, read from a token of its own before them or their mean.

    norm_first: before attention and linear layers, not after.
    """

    def __init__(
        self,
        tokens: nn.Module,
        length: int,
        outputs: int,
        *,
        norm_first: bool,
        own_token: bool,
        layers: int = 2,
    ) -> None:
        super().__init__()
        self.tokens, self.positions = tokens, nn.Parameter(0.02 * torch.randn(length, 16))
        self.own = nn.Parameter(torch.zeros(1, 1, 16)) if own_token else None
        self.layers = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True, norm_first=norm_first)
                for _ in range(layers)
            )
        )
        self.head = nn.Linear(16, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """To (n, outputs)."""
        tokens = self.tokens(inputs) + self.positions
        if self.own is not None:
            tokens = torch.cat([self.own.expand(len(tokens), -1, -1), tokens], dim=1)
        seen = self.layers(tokens)
        outputs: Tensor = self.head(seen.mean(dim=1) if self.own is None else seen[:, 0])
        return outputs


class InBfloat16(nn.Module):
    """A network whose weights and numbers keep 8 significant bits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.to(torch.bfloat16)

    def forward(self, inputs: Tensor) -> Tensor:
        """To float32."""
        outputs: Tensor = self.network(inputs.to(torch.bfloat16))
        return outputs.float()


class Autocast(nn.Module):
    """A network that multiplies in bfloat16, with weights of float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """To float32."""
        with torch.autocast("cpu", torch.bfloat16):
            outputs: Tensor = self.network(inputs)
        return outputs.float()


@cache
def _body() -> nn.Sequential:
    """Trained on the digits 0 to 4, less its head."""
    known, generator = mnist_known(), torch.Generator().manual_seed(0)
    with seeded(0):
        network = perceptron(196, 64, 32, 5)
        optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
        for _ in range(PRETRAINING):
            picked = torch.randint(len(known.targets), (32,), generator=generator)
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(known.inputs[picked]), known.targets[picked]).backward()
            optimizer.step()
    network.zero_grad()
    return network[:-1]


def pretrained(*, frozen: bool) -> nn.Sequential:
    """A new head on a body that knows the digits 0 to 4; frozen: only the head trains."""
    body = deepcopy(_body()).requires_grad_(not frozen)
    return nn.Sequential(body, nn.Linear(32, 5))
