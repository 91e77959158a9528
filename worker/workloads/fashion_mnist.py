"""Fashion-MNIST: 70,000 photographs of clothes, 28x28 grey pixels in 10 classes (Zalando, MIT licence).

Its four IDX files, gzipped or not, are read from the data directory or from where Debian's package puts them.
"""

import gzip
import math
import zlib
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from clr.problem import DatasetMissing, Problem
from clr.training.seeding import seeded
from clr.workload import Workload
from worker.workloads.files import dataset_folder
from worker.workloads.networks import CNNParams, Standardise, convolutional
from worker.workloads.split import Examples, Split, classification, spread

HELD_OUT = 1000  # of the 10,000 test images
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
UNSIGNED_BYTE = 8  # IDX's code of the only element type used here


def fashion_mnist() -> Split:
    """60,000 training images and 1,000 of the test images, (n, 1, 28, 28) bytes; classes (n,).

    Raises `DatasetMissing` where no folder has the four files, ValueError naming the file where one is broken.
    """
    for folder in (dataset_folder("fashion-mnist"), DEBIAN):
        files = [file for name in FILES if (file := _with_suffix(folder, name)) is not None]
        if len(files) == len(FILES):
            return _read(*files)
    raise DatasetMissing(
        "Fashion-MNIST is not on this machine; where the worker runs: apt-get install dataset-fashion-mnist, "
        f"or put the four files ({', '.join(FILES)}; .gz or not) into {dataset_folder('fashion-mnist')}"
    )


def _with_suffix(folder: Path, name: str) -> Path | None:
    return next((file for suffix in (".gz", "") if (file := folder / f"{name}{suffix}").is_file()), None)


@cache
def _read(train_images: Path, train_labels: Path, test_images: Path, test_labels: Path) -> Split:
    train, test = _examples(train_images, train_labels), _examples(test_images, test_labels)
    kept_back = spread(test.targets, HELD_OUT)
    return Split(train=train, held_out=Examples(test.inputs[kept_back], test.targets[kept_back]))


def _examples(images: Path, labels: Path) -> Examples:
    pixels, classes = read_idx(images), read_idx(labels)
    if pixels.shape[1:] != (28, 28) or classes.shape != pixels.shape[:1] or classes.max(initial=0) > 9:
        raise ValueError(f"{images} and {labels} are not 28x28 images with one of 10 classes each")
    return Examples(torch.tensor(pixels).unsqueeze(1), torch.tensor(classes, dtype=torch.int64))


def read_idx(file: Path) -> NDArray[np.uint8]:
    """The array of an IDX file of unsigned bytes. Raises ValueError naming the file when it is not whole."""
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{file} is broken: {error}; get it again") from error
    dimensions = content[3] if content[:3] == bytes([0, 0, UNSIGNED_BYTE]) and len(content) > 3 else 0
    start = 4 + 4 * dimensions
    shape = np.frombuffer(content[4:start], dtype=">u4") if len(content) >= start else ()
    if not dimensions or len(content) != start + math.prod(int(size) for size in shape):
        raise ValueError(
            f"{file} is broken: not a whole IDX file of bytes ({len(content)} bytes); get it again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


@cache
def _scale(split: Split) -> tuple[float, float]:
    pixels = split.train.inputs.numpy()  # numpy sums alike whatever the number of threads
    return float(pixels.mean()), float(pixels.std(dtype=np.float32))


def standardise(split: Split) -> Standardise:
    """By the one mean and deviation of the training pixels."""
    mean, std = _scale(split)
    return Standardise(torch.tensor(mean), torch.tensor(std))


class FashionMnistCNN(Workload):
    """A small convolutional network with batch normalisation."""

    name: ClassVar[str] = "fashion-mnist-cnn"
    description: ClassVar[str] = (
        "CNN with BatchNorm on Fashion-MNIST (60,000 train, 1,000 of the test images held out)"
    )
    Params: ClassVar[type[BaseModel]] = CNNParams
    default_batch_size: ClassVar[int] = 64

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """Two strided convolutions and cross entropy."""
        split = fashion_mnist()
        with seeded(seed):
            model = nn.Sequential(standardise(split), convolutional(params.width, strides=(2, 2)))
        return classification(model, split, seed=seed, batch_size=batch_size, device=device)


class ResNetParams(BaseModel):
    """The shape of the network."""

    model_config = ConfigDict(extra="forbid")

    width: int = Field(default=8, ge=1, le=256, description="channels of the first stage; doubles twice")
    blocks: int = Field(default=1, ge=1, le=18, description="residual blocks of each stage: depth 6 n + 2")


class Residual(nn.Module):
    """conv-BN-ReLU-conv-BN beside a shortcut (1x1 conv-BN where the shape changes), then ReLU."""

    def __init__(self, channels: int, wider: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, wider, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(wider),
            nn.ReLU(),
            nn.Conv2d(wider, wider, 3, padding=1, bias=False),
            nn.BatchNorm2d(wider),
        )
        self.shortcut: nn.Module = nn.Identity()
        if (channels, stride) != (wider, 1):
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, wider, 1, stride=stride, bias=False), nn.BatchNorm2d(wider)
            )

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, channels, h, w) to (n, wider, h / stride, w / stride)."""
        return torch.relu(self.body(inputs) + self.shortcut(inputs))


def residual(params: ResNetParams) -> nn.Module:
    """A ResNet of three stages for small grey images (He et al. 2016, section 4.2), its first layer strided."""
    channels = params.width
    layers: list[nn.Module] = [
        nn.Conv2d(1, channels, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    ]
    for stage in range(3):
        for block in range(params.blocks):
            wider = params.width * 2**stage
            layers.append(Residual(channels, wider, stride=2 if stage and not block else 1))
            channels = wider
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


class FashionMnistResNet(Workload):
    """A residual network with batch normalisation."""

    name: ClassVar[str] = "fashion-mnist-resnet"
    description: ClassVar[str] = (
        "ResNet-8 with BatchNorm on Fashion-MNIST (60,000 train, 1,000 of the test images held out)"
    )
    Params: ClassVar[type[BaseModel]] = ResNetParams
    default_batch_size: ClassVar[int] = 64

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """Three stages of residual blocks and cross entropy."""
        split = fashion_mnist()
        with seeded(seed):
            model = nn.Sequential(standardise(split), residual(params))
        return classification(model, split, seed=seed, batch_size=batch_size, device=device)
