"""CIFAR-10 and the network of the paper (Smith 2017, section 4.1): Caffe's cifar10_full, layer for layer.

The data are read from the usual folder of the Python version, which the user gets. Images stay 0 to 255 less the
training set's mean image, unscaled and unaugmented, as the paper's rates (0.001 to 0.006) are tied to that.
Caffe's momentum buffer holds lr x gradient, torch's the gradient: they differ only while lr changes.
"""

import pickle
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clr.problem import DatasetMissing, ParameterGroup, Problem
from clr.training.seeding import seeded
from clr.workload import Workload
from worker.workloads.files import dataset_folder
from worker.workloads.networks import Standardise
from worker.workloads.split import Examples, Split, classification, spread

HELD_OUT = 2000  # of the 10,000 test images
FOLDER = "cifar-10-batches-py"
TRAIN, TEST = [f"data_batch_{number}" for number in range(1, 6)], "test_batch"


def cifar10() -> Split:
    """The images of the five training batches and 2,000 of the test batch, (n, 3, 32, 32) bytes; classes (n,).

    Raises `DatasetMissing` where a file is absent, ValueError naming the file where one is broken.
    """
    folder = dataset_folder(FOLDER)
    missing = [name for name in (*TRAIN, TEST) if not (folder / name).is_file()]
    if missing:
        raise DatasetMissing(
            f"CIFAR-10 is not on this machine ({', '.join(missing)} missing); get cifar-10-python.tar.gz from "
            f"https://www.cs.toronto.edu/~kriz/cifar.html and unpack it where the worker runs, "
            f"so that its files lie in {folder}"
        )
    return _read(folder)


@cache
def _read(folder: Path) -> Split:
    parts = [_examples(folder / name) for name in TRAIN]
    train = Examples(torch.cat([part.inputs for part in parts]), torch.cat([part.targets for part in parts]))
    test = _examples(folder / TEST)
    kept_back = spread(test.targets, HELD_OUT)
    return Split(train=train, held_out=Examples(test.inputs[kept_back], test.targets[kept_back]))


@cache
def _mean_image(split: Split) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = split.train.inputs.numpy().mean(axis=0).astype(np.float32)
    return mean


def _examples(file: Path) -> Examples:
    try:
        with file.open("rb") as stream:
            batch = _ArraysOnly(stream).load()
        images = torch.tensor(batch[b"data"]).reshape(-1, 3, 32, 32)
        targets = torch.tensor(batch[b"labels"], dtype=torch.int64)
    except (EOFError, pickle.UnpicklingError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{file} is no batch of CIFAR-10's Python version: {error!r}; get it again"
        ) from error
    if images.dtype != torch.uint8 or len(images) != len(targets):
        raise ValueError(f"{file} is no batch of CIFAR-10's Python version; get it again")
    return Examples(images, targets)


class _ArraysOnly(pickle.Unpickler):
    """Reads numpy arrays and builtin values, and refuses whatever could run code."""

    _reconstruct = np.empty(0).__reduce__()[0]
    KNOWN: ClassVar[dict[tuple[str, str], Any]] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    }

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream, encoding="bytes")

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name in the file."""
        if (module, name) not in self.KNOWN:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return self.KNOWN[module, name]


class WithinChannelNorm(nn.Module):
    """Caffe's LRN with norm_region WITHIN_CHANNEL: inputs x (1 + alpha s)^-beta, where s is the mean of the squares
    over 3x3 of the same channel; beyond the border they are zeros, and counted (BVLC/caffe, lrn_layer.cpp)."""

    ALPHA, BETA = 5e-5, 0.75

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, channels, h, w) to the same."""
        squares = nn.functional.avg_pool2d(inputs.square(), 3, stride=1, padding=1)
        return inputs * (1 + self.ALPHA * squares) ** -self.BETA


def caffe_full() -> nn.Sequential:
    """The network of examples/cifar10/cifar10_full_train_test.prototxt, with its initial weights: gaussian with the
    deviation given for each layer, biases 0. Poolings round up, as Caffe's do: 32, 16, 8, 4 pixels a side."""
    layers = {
        "conv1": _gaussian(nn.Conv2d(3, 32, 5, padding=2), 1e-4),
        "pool1": nn.MaxPool2d(3, stride=2, ceil_mode=True),
        "relu1": nn.ReLU(),
        "norm1": WithinChannelNorm(),
        "conv2": _gaussian(nn.Conv2d(32, 32, 5, padding=2), 0.01),
        "relu2": nn.ReLU(),
        "pool2": nn.AvgPool2d(3, stride=2, ceil_mode=True),
        "norm2": WithinChannelNorm(),
        "conv3": _gaussian(nn.Conv2d(32, 64, 5, padding=2), 0.01),
        "relu3": nn.ReLU(),
        "pool3": nn.AvgPool2d(3, stride=2, ceil_mode=True),
        "flat": nn.Flatten(),
        "ip1": _gaussian(nn.Linear(64 * 4 * 4, 10), 0.01),
    }
    network = nn.Sequential()
    for name, layer in layers.items():
        network.add_module(name, layer)
    return network


def _gaussian(layer: nn.Conv2d | nn.Linear, std: float) -> nn.Module:
    nn.init.normal_(layer.weight, std=std)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def multipliers(network: nn.Sequential) -> list[ParameterGroup]:
    """The prototxt's lr_mult and decay_mult: biases of conv1, conv2 and ip1 train twice as fast; the decay of ip1's
    weight is 250-fold, and of its bias none."""
    named = dict(network.named_parameters())
    return [
        ParameterGroup(
            [named[name] for name in ("conv1.weight", "conv2.weight", "conv3.weight", "conv3.bias")]
        ),
        ParameterGroup([named["conv1.bias"], named["conv2.bias"]], lr_scale=2.0),
        ParameterGroup([named["ip1.weight"]], decay_scale=250.0),
        ParameterGroup([named["ip1.bias"]], lr_scale=2.0, decay_scale=0.0),
    ]


class Cifar10CaffeFull(Workload):
    """The paper's own network and data."""

    name: ClassVar[str] = "cifar10-caffe-full"
    description: ClassVar[str] = (
        "The paper's network, Caffe's cifar10_full, on CIFAR-10 (50,000 train, 2,000 of the test images held out)"
    )
    default_optimizer: ClassVar[dict[str, Any]] = {"name": "SGD", "momentum": 0.9, "weight_decay": 0.004}
    default_batch_size: ClassVar[int] = 100

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """Raw pixels less the mean image, cross entropy, Caffe's multipliers."""
        split = cifar10()
        with seeded(seed):
            network = caffe_full()
        mean = Standardise(torch.tensor(_mean_image(split)), torch.tensor(1.0))
        built = classification(
            nn.Sequential(mean, network), split, seed=seed, batch_size=batch_size, device=device
        )
        return replace(built, parameter_groups=multipliers(network))
