"""Networks that several workloads share, and their params."""

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn


class MLPParams(BaseModel):
    """The shape of the network."""

    model_config = ConfigDict(extra="forbid")

    hidden: int = Field(default=128, ge=1, le=4096, description="units of each hidden layer")
    depth: int = Field(default=2, ge=1, le=8, description="number of hidden layers")


class CNNParams(BaseModel):
    """The shape of the network."""

    model_config = ConfigDict(extra="forbid")

    width: int = Field(default=16, ge=1, le=256, description="channels of the first convolution")


class Standardise(nn.Module):
    """(inputs - mean) / std as the first layer, so that images stay bytes until they are used.

    mean, std: of the training set; anything that broadcasts over a batch.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, inputs: Tensor) -> Tensor:
        """As float32."""
        return (inputs.to(torch.float32) - self.mean) / self.std


def perceptron(inputs: int, params: MLPParams, classes: int) -> list[nn.Module]:
    """The layers of a multilayer perceptron with ReLU."""
    layers: list[nn.Module] = []
    units = inputs
    for _ in range(params.depth):
        layers += [nn.Linear(units, params.hidden), nn.ReLU()]
        units = params.hidden
    return [*layers, nn.Linear(units, classes)]


def convolutional(width: int, *, strides: tuple[int, int]) -> nn.Module:
    """conv-BN-ReLU twice (`width`, then 2 x `width` channels), pooled to 4x4, a linear layer."""
    layers: list[nn.Module] = []
    channels = 1
    for stride, wider in zip(strides, (width, 2 * width), strict=True):
        layers += [nn.Conv2d(channels, wider, 3, stride=stride, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(wider), nn.ReLU()]
        channels = wider
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * channels, 10))
