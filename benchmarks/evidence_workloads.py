"""The workloads of docs/evidence.md that the service does not ship: small networks, a step of which costs little."""

from functools import cache

from torch import nn

from benchmarks.quality.unseen import Unseen
from benchmarks.quality.workloads import Mnist5kBatchNormMLP
from clr.workload import Workload
from worker.catalogue import load_workloads
from worker.workloads.fashion_mnist import fashion_mnist
from worker.workloads.split import Examples, Split

TRAINED, HELD_OUT = 8_000, 10_000  # of the 60,000 training images, which come in no order


@cache
def fashion() -> Split:
    """The first 8,000 training images and the 10,000 after them, 14x14, standardised: (n, 1, 14, 14); classes (n,)."""
    whole = fashion_mnist().train
    images = nn.functional.avg_pool2d(whole.inputs[: TRAINED + HELD_OUT].float(), 2)
    scaled = (images - images[:TRAINED].mean()) / images[:TRAINED].std()
    return Split(
        train=Examples(scaled[:TRAINED], whole.targets[:TRAINED]),
        held_out=Examples(scaled[TRAINED:], whole.targets[TRAINED : TRAINED + HELD_OUT]),
    )


def _perceptron() -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]
    for units in (196, 64):
        layers += [nn.Linear(units, 64, bias=False), nn.BatchNorm1d(64), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(64, 10))


class FashionMLP(Unseen):
    """A perceptron with batch normalisation."""

    default_batch_size = 64


@cache
def workloads() -> dict[str, Workload]:
    """By name, with the service's own."""
    mine: dict[str, Workload] = {"mnist5k-bn-mlp": Mnist5kBatchNormMLP()}
    return load_workloads() | mine | {"fashion8k-bn-mlp": FashionMLP(_perceptron, fashion)}
