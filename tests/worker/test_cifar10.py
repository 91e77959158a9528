"""The paper's network, number for number, on files in CIFAR-10's format."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from clr.optimizers import parse_optimizer
from clr.problem import DatasetMissing, Problem
from clr.training.seeding import seeded
from clr.training.trainer import Trainer
from tests.worker.datasets import images, write_cifar10
from worker.workloads.cifar10 import Cifar10CaffeFull, WithinChannelNorm, caffe_full, cifar10

WORKLOAD = Cifar10CaffeFull()

pytestmark = pytest.mark.usefixtures("one_thread")


def build(batch_size: int = 10) -> Problem:
    return WORKLOAD.build(WORKLOAD.Params(), seed=0, batch_size=batch_size, device="cpu")


def test_a_layer_gives_the_shape_that_caffes_poolings_give() -> None:
    shapes, current = {}, torch.zeros(2, 3, 32, 32)
    for name, layer in caffe_full().named_children():
        current = layer(current)
        shapes[name] = tuple(current.shape[1:])

    assert list(shapes.items()) == [
        ("conv1", (32, 32, 32)),
        ("pool1", (32, 16, 16)),
        ("relu1", (32, 16, 16)),
        ("norm1", (32, 16, 16)),
        ("conv2", (32, 16, 16)),
        ("relu2", (32, 16, 16)),
        ("pool2", (32, 8, 8)),
        ("norm2", (32, 8, 8)),
        ("conv3", (64, 8, 8)),
        ("relu3", (64, 8, 8)),
        ("pool3", (64, 4, 4)),
        ("flat", (1024,)),
        ("ip1", (10,)),
    ]


def test_a_window_over_the_border_is_averaged_over_what_lies_inside() -> None:
    pooled = caffe_full().pool2(torch.arange(16.0).reshape(1, 1, 4, 4))

    assert pooled.flatten().tolist() == [5.0, 6.5, 11.0, 12.5]  # the last: the mean of 10, 11, 14 and 15


def test_weights_start_gaussian_with_caffes_deviations_and_biases_at_zero() -> None:
    with seeded(0):
        parameters = dict(caffe_full().named_parameters())

    deviations = {name: p.std().item() for name, p in parameters.items() if name.endswith("weight")}
    assert deviations == pytest.approx(
        {"conv1.weight": 1e-4, "conv2.weight": 0.01, "conv3.weight": 0.01, "ip1.weight": 0.01}, rel=0.05
    )
    assert all(not p.any() for name, p in parameters.items() if name.endswith("bias"))


def test_the_norm_divides_by_the_squares_around_and_counts_the_zeros_beyond_the_border() -> None:
    inputs = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3) * 100
    corner = 100 * (1 + 5e-5 * (100**2 + 200**2 + 400**2 + 500**2) / 9) ** -0.75
    middle = 500 * (1 + 5e-5 * 10_000 * sum(n * n for n in range(1, 10)) / 9) ** -0.75

    outputs = WithinChannelNorm()(inputs)

    assert outputs[0, 0, 0, 0].item() == pytest.approx(corner)
    assert outputs[0, 0, 1, 1].item() == pytest.approx(middle)


def test_one_step_uses_caffes_multipliers(generated_data: Path) -> None:
    problem = build()
    inputs, targets = next(iter(build().batches))
    lr, decay = 0.01, 0.004
    rates = {"conv1.bias": 2, "conv2.bias": 2, "ip1.bias": 2}
    decays = {"ip1.weight": 250, "ip1.bias": 0}
    network = problem.model[1]  # type: ignore[index]
    with torch.no_grad():
        for bias in (network.conv1.bias, network.conv3.bias, network.ip1.bias):
            bias.fill_(0.5)  # so that its decay, or none, shows
    problem.loss(problem.model(inputs), targets).backward()
    expected = {
        name: p.detach() - lr * rates.get(name, 1) * (p.grad + decay * decays.get(name, 1) * p.detach())
        for name, p in network.named_parameters()
    }

    Trainer(problem, parse_optimizer(WORKLOAD.default_optimizer), device="cpu").step(lr)

    torch.testing.assert_close(dict(network.named_parameters()), expected)


def test_images_are_raw_less_the_mean_image_of_the_training_set(generated_data: Path) -> None:
    pixels, _ = images(100, (3, 32, 32), seed=1)
    problem = build()

    less_mean = problem.model[0](torch.tensor(pixels))  # type: ignore[index]

    np.testing.assert_allclose(less_mean.numpy(), pixels - pixels.mean(axis=0, dtype=float), atol=1e-4)


def test_it_trains_on_generated_images(generated_data: Path) -> None:
    trainer = Trainer(build(), parse_optimizer(WORKLOAD.default_optimizer), device="cpu")

    for _ in range(90):
        trainer.step(0.001)

    assert trainer.evaluate()[1] == pytest.approx(1, abs=0.2)


def test_batches_that_python_3_wrote_are_read_too(generated_data: Path, data_dir: Path) -> None:
    folder = data_dir / "cifar-10-batches-py"
    write_cifar10(folder)
    for file in folder.iterdir():
        batch = pickle.loads(file.read_bytes(), encoding="bytes")
        file.write_bytes(pickle.dumps(batch))

    assert len(cifar10().train.targets) == 100


def test_where_files_are_absent_the_archive_and_the_folder_are_named(data_dir: Path) -> None:
    folder = data_dir / "cifar-10-batches-py"
    write_cifar10(folder)
    (folder / "data_batch_3").unlink()

    with pytest.raises(DatasetMissing, match=r"data_batch_3 missing.*cifar-10-python\.tar\.gz") as missing:
        build()

    assert str(folder) in str(missing.value)


class Hostile:
    def __reduce__(self) -> object:
        return os.mkdir, ("planted",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (lambda whole: whole[:5000], "truncated"),
        (lambda _: b"", "ran out of input"),
        (lambda _: pickle.dumps({b"labels": [1]}), "data"),
        (lambda _: pickle.dumps(Hostile()), "it asks for posix.mkdir"),
        (lambda _: pickle.dumps({b"data": np.zeros((1, 3072)), b"labels": [1]}), "get it again"),
    ],
    ids=["truncated", "empty", "without images", "hostile", "not bytes"],
)
def test_a_broken_file_is_named(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_cifar10(data_dir / "cifar-10-batches-py")
    file = data_dir / "cifar-10-batches-py" / "data_batch_2"
    file.write_bytes(content(file.read_bytes()))  # type: ignore[operator]

    with pytest.raises(ValueError, match=f"(?i){file}.*{told}"):
        build()

    assert not (tmp_path / "planted").exists()
