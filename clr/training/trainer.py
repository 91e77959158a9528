"""Training one step at a time: what the engine drives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from clr.asgd import catch_up
from clr.optimizer_plugin import find_plugin
from clr.optimizers import AnyOptimizer, Installed
from clr.problem import Problem, Untrainable
from clr.scheduler import set_momentum
from clr.training.accuracy import find_counted, share_right
from clr.training.batches import StagedBatches, endless, move_all
from clr.training.kernels import any_sparse, clip_gradients, meet_sparse
from clr.training.looks import HELD_OUT_CHUNK
from clr.training.nested import moved, sliced, tensors
from clr.training.optimizers import make_optimizer
from clr.training.seeding import seeded

if TYPE_CHECKING:
    from clr.training_job import Precision


class Trainer:
    """A problem with its optimizer; one `step` is one update.

    accumulation_steps: batches whose mean gradient one update uses. clip_grad_norm: the gradient's largest
    2-norm. precision: bfloat16 runs the forward pass under torch's autocast; weights and updates stay float32.
    """

    def __init__(
        self,
        problem: Problem,
        optimizer: AnyOptimizer,
        *,
        device: str,
        accumulation_steps: int = 1,
        clip_grad_norm: float | None = None,
        precision: Precision = "float32",
    ) -> None:
        self.device = device
        materialise(problem, device=device)
        self._model = problem.model.to(device)
        self._loss = problem.loss.to(device)
        _train(self._model, but_for=_find_resting(self._model) if self._model.training else [])
        self._classifies = problem.classifies
        self._staged = problem.batches if isinstance(problem.batches, StagedBatches) else None
        self._batches = iter(self._staged or move_all(endless(problem.batches), device))
        self._held_out = list(_weigh_chunks(problem))
        self._optimizer: Any = make_optimizer(optimizer, self._model, problem.parameter_groups)
        plugin = find_plugin(optimizer.name) if isinstance(optimizer, Installed) else None
        self._step_takes = plugin.step_takes if plugin else "nothing"
        self._has_modes = plugin is not None and plugin.has_modes
        self._set_mode(training=True)
        self._lags = isinstance(self._optimizer, torch.optim.ASGD)
        grouped = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        self._parameters = list(dict.fromkeys([*self._model.parameters(), *grouped]))
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
        if self._lags:
            catch_up(self._optimizer)
        loss = self._update() if self._step_takes != "closure" else self._update_with_closure()
        self.steps_taken += 1
        return loss

    def _update(self) -> Tensor:
        loss = self._find_gradient(islice(self._batches, self._accumulation_steps))
        if self._step_takes == "loss":
            self._optimizer.step(loss=loss)
        else:
            self._optimizer.step()
        return loss

    def _update_with_closure(self) -> Tensor:
        batches = list(islice(self._batches, self._accumulation_steps))
        losses = list[Tensor]()

        def closure(*_: Any, **__: Any) -> Tensor:
            with torch.enable_grad():
                losses.append(self._find_gradient(batches))
            return losses[-1]

        self._optimizer.step(closure)
        if not losses:
            raise Untrainable(
                f"{type(self._optimizer).__name__} never called its closure: nothing was trained"
            )
        return losses[0]

    def _find_gradient(self, batches: Iterable[Any]) -> Tensor:
        """Forwards and backwards over the batches of one update; their mean loss."""
        for parameter in self._parameters:
            parameter.grad = None  # as `zero_grad`, whose marks for the profiler cost 8 µs a step
        waiting = iter(batches)
        loss = self._backward(next(waiting))
        for batch in waiting:
            loss = loss + self._backward(batch)
        if any_sparse(self._parameters):
            meet_sparse(self._optimizer, self._model)
        if self._clip_grad_norm is not None:
            clip_gradients(self._parameters, self._clip_grad_norm)
        return loss

    def _backward(self, batch: Any) -> Tensor:
        inputs, targets = batch
        with self._autocast():
            loss: Tensor = self._loss(self._model(inputs), targets)
        if self._accumulation_steps > 1:
            loss = loss / self._accumulation_steps
        loss.backward()
        return loss.detach()

    def _set_mode(self, *, training: bool) -> None:
        """That of the optimizer, where it has any."""
        if self._has_modes:
            self._optimizer.train() if training else self._optimizer.eval()

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
            "loss": self._loss.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "cuda_rng": cuda,
            "batches": self._staged.state_dict() if self._staged else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken, before the first step of this trainer. Sets torch's global generators."""
        self._model.load_state_dict(state["model"])
        if "loss" in state:  # not in those of earlier releases
            self._loss.load_state_dict(state["loss"])
        self._optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"].cpu())
        if self.device != "cpu" and len(state["cuda_rng"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all([gpu_state.cpu() for gpu_state in state["cuda_rng"]])
        if self._staged is not None and state["batches"] is not None:
            self._staged.load_state_dict(state["batches"])

    @torch.no_grad()
    def evaluate(self) -> tuple[float, float | None]:
        """Mean loss and accuracy (in [0, 1]; None where there are no classes) on the held-out set."""
        resting = _find_resting(self._model)
        self._model.eval()
        self._set_mode(training=False)
        total = torch.zeros((), device=self.device)
        correct = torch.zeros((), device=self.device)
        generators = range(torch.cuda.device_count()) if self.device != "cpu" else ()
        with torch.random.fork_rng(devices=generators):  # a stochastic layer must not move training's numbers
            for inputs, targets, weight in self._held_out:
                inputs, targets = moved(inputs, self.device), moved(targets, self.device)
                with self._autocast():
                    outputs = self._model(inputs)
                    total = total + self._loss(outputs, targets) * weight
                if self._classifies:
                    correct += share_right(self._loss, outputs, targets) * weight
        _train(self._model, but_for=resting)
        self._set_mode(training=True)
        weights = sum(weight for _, _, weight in self._held_out)
        accuracy = (correct / weights).item() if self._classifies else None
        return (total / weights).item(), accuracy


def materialise(problem: Problem, *, device: str, seed: int = 0) -> None:
    """Give lazy parameters their shapes, by a look at two held-out examples, and first values that follow from `seed`.

    Raises `Untrainable` where some are left without.
    """
    model = problem.model
    if not any(map(is_lazy, model.parameters())):
        return
    modes = [(module, module.training) for module in model.modules()]
    inputs = moved(sliced(problem.held_out[0], 0, 2), device)
    for training in (False, True):  # what only training uses is met by the second look
        if any(map(is_lazy, model.parameters())):
            model.to(device).train(training)
            with seeded(seed), torch.no_grad():
                model(inputs)
    for module, training in modes:
        module.training = training
    if shapeless := [name for name, parameter in model.named_parameters() if is_lazy(parameter)]:
        raise Untrainable(f"{', '.join(shapeless)} of a lazy layer got no shape: the model does not use it")


def _find_resting(model: nn.Module) -> list[nn.Module]:
    """The parts in eval mode: a workload's frozen ones, say."""
    return [module for module in model.modules() if not module.training]


def _train(model: nn.Module, *, but_for: list[nn.Module]) -> None:
    model.train()
    for module in but_for:
        module.training = False


def _weigh_chunks(problem: Problem) -> Iterator[tuple[Any, Any, float]]:
    """The held-out set, a chunk at a time, with the number of its examples, less their share that the loss ignores."""
    inputs, targets = problem.held_out
    num_examples, some = len(next(tensors(inputs))), False
    for start in range(0, num_examples, HELD_OUT_CHUNK):
        chunk = sliced(targets, start, start + HELD_OUT_CHUNK)
        weight: float = min(HELD_OUT_CHUNK, num_examples - start)
        counts = find_counted(problem.loss, chunk)
        if counts is not None:
            weight *= int(counts.sum()) / counts.numel()
        if weight:
            some = True
            yield sliced(inputs, start, start + HELD_OUT_CHUNK), chunk, weight
    if not some:
        raise Untrainable("held_out has no target that the loss counts: all are its ignore_index")
