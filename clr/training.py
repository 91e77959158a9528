"""Training one step at a time: what the engine drives. The only part of clr that loads torch."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from clr.optimizers import OptimizerSpec
from clr.scheduler import set_momentum
from clr.training_job import Precision
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
        self.inputs, self.targets = inputs, targets
        self.batch_size = min(batch_size, len(inputs))
        self.generator = torch.Generator().manual_seed(seed)
        self._epoch, self._drawn, self._skipped = self.generator.get_state(), 0, 0

    def __iter__(self) -> Iterator[Batch]:
        num_examples = len(self.inputs)
        while True:
            self._epoch = self.generator.get_state()
            order = torch.randperm(num_examples, generator=self.generator).to(self.inputs.device)
            whole = [indices for indices in order.split(self.batch_size) if len(indices) == self.batch_size]
            self._drawn, self._skipped = self._skipped, 0
            for indices in whole[self._drawn :]:
                self._drawn += 1
                yield self.inputs.index_select(0, indices), self.targets.index_select(0, indices)

    def state_dict(self) -> dict[str, Any]:
        """Where the last iterator stands: the generator as its epoch began, and the batches drawn since."""
        return {"epoch": self._epoch, "drawn": self._drawn}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Have the next iterator go on where `state` was taken."""
        self.generator.set_state(state["epoch"])
        self._epoch, self._drawn, self._skipped = state["epoch"], state["drawn"], state["drawn"]


class Trainer:
    """A problem with its optimizer; one `step` is one update.

    accumulation_steps: batches whose mean gradient one update uses. clip_grad_norm: the gradient's largest
    2-norm. precision: bfloat16 runs the forward pass under torch's autocast; weights and updates stay float32.
    """

    def __init__(
        self,
        problem: Problem,
        optimizer: OptimizerSpec,
        *,
        device: str,
        accumulation_steps: int = 1,
        clip_grad_norm: float | None = None,
        precision: Precision = "float32",
    ) -> None:
        self.device = device
        self._model = problem.model.to(device).train()
        self._loss = problem.loss.to(device)
        self._classifies = problem.classifies
        self._staged = problem.batches if isinstance(problem.batches, StagedBatches) else None
        self._batches = iter(self._staged or _moved(endless(problem.batches), device))
        self._held_out = problem.held_out
        self._optimizer = make_optimizer(optimizer, self._model, problem.parameter_groups)
        self._parameters = [one for group in self._optimizer.param_groups for one in group["params"]]
        self._accumulation_steps = accumulation_steps
        self._clip_grad_norm = clip_grad_norm
        self._precision = precision
        self.steps_taken = 0

    def step(self, lr: float, momentum: float | None = None) -> Tensor:
        """Train on the next batch at `lr` (>= 0, the rate that this update uses); momentum None: left as it is.

        Returns the batch's mean loss before the update: 0-d, detached, on the device.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = lr * group.get("lr_scale", 1.0)
            if momentum is not None:
                set_momentum(group, momentum)
        for parameter in self._parameters:
            parameter.grad = None  # as `zero_grad`, whose marks for the profiler cost 8 µs a step
        loss = self._backward()
        for _ in range(self._accumulation_steps - 1):
            loss = loss + self._backward()
        if self._clip_grad_norm is not None:
            nn.utils.clip_grad_norm_(self._model.parameters(), self._clip_grad_norm)
        self._optimizer.step()
        self.steps_taken += 1
        return loss

    def _backward(self) -> Tensor:
        inputs, targets = next(self._batches)
        with self._autocast():
            loss: Tensor = self._loss(self._model(inputs), targets)
        if self._accumulation_steps > 1:
            loss = loss / self._accumulation_steps
        loss.backward()
        return loss.detach()

    def _autocast(self) -> AbstractContextManager[None]:
        if self._precision == "float32":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, dtype=torch.bfloat16)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on: tensors and plain values, as `torch.load` with
        weights_only=True takes them.

        Where the batches stand is known of `StagedBatches` alone; any other source begins a new pass.
        """
        cuda = torch.cuda.get_rng_state_all() if self.device != "cpu" else []
        return {
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "cuda_rng": cuda,
            "batches": self._staged.state_dict() if self._staged else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken, before the first step of this trainer. Sets torch's global generators."""
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"].cpu())
        if self.device != "cpu" and len(state["cuda_rng"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all([one.cpu() for one in state["cuda_rng"]])
        if self._staged is not None and state["batches"] is not None:
            self._staged.load_state_dict(state["batches"])

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
                with self._autocast():
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
    """Begin again whenever the batches end. Raises ValueError where there are none, or none a second time."""
    begun = False
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty and begun:
            raise ValueError("the batches ended and cannot begin anew: hand over the loader, not an iterator")
        if empty:
            raise ValueError(
                "the batches are empty; a DataLoader with drop_last has none where a batch is larger than the data"
            )
        begun = True


def _moved(batches: Iterable[Batch], device: str) -> Iterator[Batch]:
    for inputs, targets in batches:
        yield inputs.to(device), targets.to(device)
