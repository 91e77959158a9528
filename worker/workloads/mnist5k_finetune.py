"""Fine-tuning: a network trained on the digits 0 to 4 learns 5 to 9, whole or by low-rank adapters.

Every seed starts at the same pre-trained weights, made here at first use and kept in CLR_DATA_DIR, with a head and an
order of batches of its own.
"""

import tempfile
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from clr.optimizers import parse_optimizer
from clr.problem import Problem
from clr.training.seeding import seeded
from clr.training.trainer import Trainer
from clr.workload import Workload
from worker.workloads.files import kept_file
from worker.workloads.mnist5k import mnist5k
from worker.workloads.split import Examples, Split, classification

CLASSES, HIDDEN = 5, 256  # of each half, and units of both hidden layers
PRETRAINED = "mnist5k-0-to-4-v1.pt"  # another name whenever the recipe changes
SEED, NUM_STEPS, LR = 20_260_101, 620, 0.02  # of the pre-training: ten epochs


class FinetuneParams(BaseModel):
    """What is tuned."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["whole", "adapter"] = Field(
        default="whole", description="every weight, or low-rank adapters of the hidden layers and the head"
    )
    rank: int = Field(default=4, ge=1, le=HIDDEN, description="of the adapters")


class Adapted(nn.Module):
    """A linear layer that stays as it is, and what trains beside it: inputs -> rank -> outputs, zero at first."""

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.down = nn.Linear(linear.in_features, rank, bias=False)
        self.up = nn.Linear(rank, linear.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.linear(inputs) + self.up(self.down(inputs))
        return outputs


class Mnist5kFinetune(Workload):
    """Two hidden layers that know the digits 0 to 4, with a new head for 5 to 9."""

    name: ClassVar[str] = "mnist5k-finetune"
    description: ClassVar[str] = (
        "MLP pre-trained on the digits 0 to 4 of mnist5k, tuned on 5 to 9 (2,000 train, 500 held out)"
    )
    Params: ClassVar[type[BaseModel]] = FinetuneParams
    default_optimizer: ClassVar[dict[str, Any]] = {"name": "AdamW"}
    default_batch_size: ClassVar[int] = 32

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """Cross entropy over the second half of the classes."""
        weights = pretrained()
        with seeded(seed):
            model = network()
            model.load_state_dict(weights, strict=False)
            if params.mode == "adapter":
                for name in ("first", "second"):
                    setattr(model, name, Adapted(getattr(model, name), params.rank))
        return classification(
            model, half_of(mnist5k(), first=False), seed=seed, batch_size=batch_size, device=device
        )


def network() -> nn.Sequential:
    """784 pixels, two hidden layers, a head."""
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            flat=nn.Flatten(),
            first=nn.Linear(784, HIDDEN),
            bent=nn.ReLU(),
            second=nn.Linear(HIDDEN, HIDDEN),
            bent_again=nn.ReLU(),
            head=nn.Linear(HIDDEN, CLASSES),
        )
    )


def half_of(split: Split, *, first: bool) -> Split:
    """The examples of the classes 0 to 4, or of 5 to 9, counted from 0."""

    def taken(examples: Examples) -> Examples:
        here = (examples.targets < CLASSES) == first
        return Examples(examples.inputs[here], examples.targets[here] - (0 if first else CLASSES))

    return Split(taken(split.train), taken(split.held_out))


@cache
def pretrained() -> dict[str, Tensor]:
    """The hidden layers' weights, on the CPU: read from CLR_DATA_DIR, or trained and kept there."""
    file = kept_file(PRETRAINED)
    if not file.is_file():
        _keep(_pretrain(), file)
    weights: dict[str, Tensor] = torch.load(file, weights_only=True)
    return weights


def _pretrain() -> dict[str, Tensor]:
    """Train on the first half, on one thread of the CPU: to the last bit the same whenever a machine does it anew."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with seeded(SEED):
            model = network()
        half = half_of(mnist5k(), first=True)
        problem = classification(model, half, seed=SEED, batch_size=32, device="cpu")
        trainer = Trainer(problem, parse_optimizer({"name": "SGD", "momentum": 0.9}), device="cpu")
        for _ in range(NUM_STEPS):
            trainer.step(LR)
    finally:
        torch.set_num_threads(threads)
    return {name: value for name, value in model.state_dict().items() if not name.startswith("head.")}


def _keep(weights: dict[str, Tensor], file: Path) -> None:
    """Whole or not at all, also where several processes do so at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        unfinished = Path(folder) / file.name
        torch.save(weights, unfinished)
        unfinished.replace(file)
