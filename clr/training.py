"""Training one step at a time: what the engine drives. The only part of clr that loads torch."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from clr.optimizers import OptimizerSpec
from clr.workload import Batch, ParameterGroup, Problem

Item = TypeVar("Item")

HELD_OUT_CHUNK = 2048  # examples evaluated at once
FUSED = {"SGD", "Adam", "AdamW", "Adagrad"}  # torch has a fused kernel for these, on CPU and CUDA


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's global generators at `seed` inside, and as they were afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


class StagedBatches:
    """Endless batches of tensors that lie on the device: a fresh permutation each epoch, gathered by index.

    inputs: (n, ...), targets: (n, ...). The last partial batch of an epoch is dropped; a batch larger than
    the data is the whole data. The same seed gives the same order.
    """

    def __init__(self, inputs: Tensor, targets: Tensor, *, batch_size: int, seed: int) -> None:
        self._inputs, self._targets = inputs, targets
        self._batch_size = min(batch_size, len(inputs))
        self.generator = torch.Generator().manual_seed(seed)

    def __iter__(self) -> Iterator[Batch]:
        num_examples = len(self._inputs)
        while True:
            order = torch.randperm(num_examples, generator=self.generator).to(self._inputs.device)
            for indices in order.split(self._batch_size):
                if len(indices) == self._batch_size:
                    yield self._inputs[indices], self._targets[indices]


class Trainer:
    """A problem with its optimizer; one `step` is one update."""

    def __init__(self, problem: Problem, optimizer: OptimizerSpec, *, device: str) -> None:
        self.device = device
        self._model = problem.model.to(device).train()
        self._loss = problem.loss.to(device)
        self._classifies = problem.classifies
        staged = isinstance(problem.batches, StagedBatches)
        self._batches = iter(problem.batches) if staged else _moved(endless(problem.batches), device)
        self._held_out = problem.held_out
        self._optimizer = make_optimizer(optimizer, self._model, problem.parameter_groups)

    def step(self, lr: float) -> Tensor:
        """Train on the next batch at `lr` (> 0, the rate that this update uses).

        Returns the batch's mean loss before the update: 0-d, detached, on the device.
        """
        inputs, targets = next(self._batches)
        for group in self._optimizer.param_groups:
            group["lr"] = lr * group.get("lr_scale", 1.0)
        loss: Tensor = self._loss(self._model(inputs), targets)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        return loss.detach()

    @torch.no_grad()
    def evaluate(self) -> tuple[float, float | None]:
        """Mean loss and accuracy (in [0, 1]; None where there are no classes) on the held-out set."""
        self._model.eval()
        inputs, targets = self._held_out
        total = torch.zeros((), device=self.device)
        correct = torch.zeros((), device=self.device)
        generators = range(torch.cuda.device_count()) if self.device != "cpu" else ()
        with torch.random.fork_rng(devices=generators):  # a stochastic layer must not move training's numbers
            for some, wanted in zip(inputs.split(HELD_OUT_CHUNK), targets.split(HELD_OUT_CHUNK), strict=True):
                some, wanted = some.to(self.device), wanted.to(self.device)
                outputs = self._model(some)
                total += self._loss(outputs, wanted) * len(some)
                if self._classifies:
                    correct += (outputs.argmax(dim=-1) == wanted).float().mean() * len(some)
        self._model.train()
        accuracy = (correct / len(inputs)).item() if self._classifies else None
        return (total / len(inputs)).item(), accuracy


def make_optimizer(
    spec: OptimizerSpec, model: nn.Module, parameter_groups: Sequence[ParameterGroup] = ()
) -> torch.optim.Optimizer:
    """torch's optimizer of this spec, fused where there is a kernel, else foreach.

    A parameter group becomes one of torch's, which carries its `lr_scale`.
    Raises ValueError when the groups leave out a parameter or hold one twice.
    """
    parameters = spec.model_dump()
    name = parameters.pop("name")
    kernel = {"fused": True} if name in FUSED else {"foreach": True}
    trained = _torch_groups(parameter_groups, model, spec.weight_decay) or model.parameters()
    optimizer: torch.optim.Optimizer = getattr(torch.optim, name)(trained, lr=1e-3, **parameters, **kernel)
    return optimizer


def _torch_groups(
    groups: Sequence[ParameterGroup], model: nn.Module, weight_decay: float
) -> list[dict[str, Any]]:
    grouped = {id(parameter) for group in groups for parameter in group.parameters}
    left_out = [name for name, parameter in model.named_parameters() if id(parameter) not in grouped]
    if groups and left_out:
        raise ValueError(f"the parameter groups leave out {', '.join(left_out)}")
    return [
        {
            "params": list(group.parameters),
            "lr_scale": group.lr_scale,
            "weight_decay": weight_decay * group.decay_scale,
        }
        for group in groups
    ]


def endless(batches: Iterable[Item]) -> Iterator[Item]:
    """Begin again whenever the batches end. Raises ValueError where there are none."""
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty:
            raise ValueError("the batches are empty")


def _moved(batches: Iterable[Batch], device: str) -> Iterator[Batch]:
    for inputs, targets in batches:
        yield inputs.to(device), targets.to(device)
