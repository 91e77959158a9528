"""Fashion-MNIST is read from IDX files, and what is wrong with them is said."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from clr.problem import DatasetMissing
from tests.worker.datasets import idx, images, write_fashion_mnist
from worker.workloads import fashion_mnist
from worker.workloads.fashion_mnist import DEBIAN, FashionMnistResNet, ResNetParams, read_idx, residual

TRAIN_IMAGES = "train-images-idx3-ubyte"


@pytest.mark.parametrize("gzipped", [True, False])
def test_the_files_are_read_as_they_were_written(data_dir: Path, gzipped: bool) -> None:
    write_fashion_mnist(data_dir / "fashion-mnist", gzipped=gzipped)
    pixels, classes = images(600, (28, 28), seed=1)

    split = fashion_mnist.fashion_mnist()

    assert np.array_equal(split.train.inputs[:, 0].numpy(), pixels)
    assert np.array_equal(split.train.targets.numpy(), classes)
    assert len(split.held_out.targets) == 200


def test_debians_folder_is_the_second_choice(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion_mnist, "DEBIAN", data_dir / "debian")
    write_fashion_mnist(data_dir / "debian")

    assert len(fashion_mnist.fashion_mnist().train.targets) == 600


def test_where_a_file_is_absent_both_ways_to_get_it_are_named(data_dir: Path) -> None:
    write_fashion_mnist(data_dir / "fashion-mnist")
    (data_dir / "fashion-mnist" / f"{TRAIN_IMAGES}.gz").unlink()

    with pytest.raises(DatasetMissing, match="apt-get install dataset-fashion-mnist") as missing:
        fashion_mnist.fashion_mnist()

    assert f"into {data_dir / 'fashion-mnist'}" in str(missing.value)
    assert (data_dir / "fashion-mnist").is_absolute()


@pytest.mark.parametrize("gzipped", [True, False])
@pytest.mark.parametrize(
    "cut", [lambda whole: whole[: len(whole) // 2], lambda _: b"", lambda _: b"no such file"]
)
def test_a_broken_file_is_named(data_dir: Path, gzipped: bool, cut: object) -> None:
    folder = data_dir / "fashion-mnist"
    write_fashion_mnist(folder, gzipped=gzipped)
    file = folder / (f"{TRAIN_IMAGES}.gz" if gzipped else TRAIN_IMAGES)
    file.write_bytes(cut(file.read_bytes()))  # type: ignore[operator]

    with pytest.raises(ValueError, match=f"{file} is broken"):
        fashion_mnist.fashion_mnist()


def test_a_whole_file_that_lacks_images_is_named(data_dir: Path) -> None:
    folder = data_dir / "fashion-mnist"
    write_fashion_mnist(folder)
    (folder / f"{TRAIN_IMAGES}.gz").write_bytes(gzip.compress(idx(images(599, (28, 28), seed=1)[0])))

    with pytest.raises(ValueError, match=f"{TRAIN_IMAGES}.*one of 10 classes each"):
        fashion_mnist.fashion_mnist()


def test_pixels_are_standardised_by_the_training_set(generated_data: Path) -> None:
    split = fashion_mnist.fashion_mnist()

    scaled = fashion_mnist.standardise(split)(split.train.inputs)

    assert scaled.mean().item() == pytest.approx(0, abs=1e-4)
    assert scaled.std().item() == pytest.approx(1, abs=1e-4)


def test_the_resnet_has_8_layers_and_its_stages_halve_the_image() -> None:
    network = residual(ResNetParams())
    kernels = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear)]
    deep = [layer for layer in kernels if getattr(layer, "kernel_size", None) != (1, 1)]

    shapes = [tuple(network[:upto](torch.zeros(1, 1, 28, 28)).shape[1:]) for upto in (3, 4, 5, 6)]  # type: ignore[index]

    assert len(deep) == 8
    assert shapes == [(8, 14, 14), (8, 14, 14), (16, 7, 7), (32, 4, 4)]
    assert FashionMnistResNet().Params(blocks=3).blocks == 3


@pytest.mark.skipif(not DEBIAN.exists(), reason="needs Debian's package dataset-fashion-mnist")
def test_debians_files_are_the_whole_data_set() -> None:
    assert read_idx(DEBIAN / f"{TRAIN_IMAGES}.gz").shape == (60_000, 28, 28)
    assert np.bincount(read_idx(DEBIAN / "t10k-labels-idx1-ubyte.gz")).tolist() == [1000] * 10
