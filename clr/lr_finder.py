"""A whole range test inside a plain PyTorch loop of one's own; afterwards everything is as it was before.

The same plans and the same reading as the service's (clr/planning.py, clr/bounds.py); only the loop is yours.
"""

import copy
import random
from collections.abc import Callable, Iterable, Iterator, Sized
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
import torch
from torch import nn

from clr.bounds import Bounds, Inconclusive, find_bounds
from clr.planning import RangeTestConfig, next_sweep
from clr.range_test import Divergence, HeldOut, Point, Sweep
from clr.training import endless

Evaluate = Callable[[], tuple[float, float | None]]
Item = TypeVar("Item")
MOST_BATCHES_A_STEP = 10_000  # more without a `step` is a loop that forgot it


class LRFinder:
    """Sweeps the optimizer's lr upwards while your loop trains, as often as the test needs.

        with LRFinder(model, optimizer, evaluate=evaluate) as finder:
            for inputs, targets in finder.batches(loader):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                finder.step(loss)
        print(finder.bounds())

    evaluate: answers (held-out loss, accuracy in [0, 1] or None), called now and then in eval mode without
    gradients; without it the training loss decides. scaler: a GradScaler that the loop uses. config: as a
    request to the service; `effort="quick"` is one sweep of 200 steps. A param group's `lr_scale` (default 1)
    multiplies the rate. When the `with` block is left, also by an exception, the model (weights, buffers, gradients,
    modes), optimizer, scaler and random generators (torch's on every device, numpy's, Python's, the loader's)
    are bit for bit as they were. `sweeps` holds what was measured, `current` the sweep in progress.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        evaluate: Evaluate | None = None,
        scaler: Any = None,
        config: RangeTestConfig | None = None,
    ) -> None:
        self._model, self._optimizer, self._scaler = model, optimizer, scaler
        self._evaluate = evaluate
        self._config = config or RangeTestConfig()
        self._steps_per_epoch: float | None = None
        self.sweeps: list[Sweep] = []

    def __enter__(self) -> Self:
        self._before = _Snapshot(self._model, self._optimizer, self._scaler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._before.restore()

    def batches(self, loader: Iterable[Item]) -> Iterator[Item]:
        """The loader's batches, begun again at its end, until the test has measured enough.

        Raises RuntimeError in a loop that never calls `step`, ValueError for a loader without batches.
        """
        self._before.watch(getattr(loader, "generator", None))
        self._steps_per_epoch = float(len(loader)) if isinstance(loader, Sized) else None
        while (plan := next_sweep(self._config, self.sweeps)) is not None:
            self._before.restore()
            torch.manual_seed(plan.seed)
            self._begin(Sweep(plan))
            following, waited = endless(loader), 0
            while not self._over:
                taken = len(self.current.points)
                yield next(following)
                waited = waited + 1 if len(self.current.points) == taken else 0
                if waited > MOST_BATCHES_A_STEP:
                    raise RuntimeError("call finder.step(loss) after each optimizer.step()")
            self.sweeps.append(self.current)

    def step(self, loss: Any) -> None:
        """Take the loss of the batch that was just trained on (before its update), and set the next rate.

        Once per optimizer step, not per accumulated micro-batch.
        """
        plan, step = self.current.plan, len(self.current.points)
        lr, last = plan.lr(step), step == plan.num_steps - 1
        value = float(loss.detach() if isinstance(loss, torch.Tensor) else loss)
        self.current.add(Point(step, lr, value))
        diverged = self._divergence.seen(value)
        due = last or (step + 1) % plan.eval_every == 0
        if self._evaluate is not None and due and not diverged:
            self.current.add(HeldOut(step, lr, *self._look(self._evaluate)))
        self._over = diverged or last
        if not self._over:
            self._set(plan.lr(step + 1))

    def bounds(self) -> Bounds | Inconclusive:
        """The recommendation, or why there is none."""
        return find_bounds(
            self.sweeps, steps_per_epoch=self._steps_per_epoch, optimizer=type(self._optimizer).__name__
        )

    def _begin(self, sweep: Sweep) -> None:
        self.current, self._divergence, self._over = sweep, Divergence(), False
        self._set(sweep.plan.lr(0))

    def _set(self, lr: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = lr * group.get("lr_scale", 1.0)

    def _look(self, evaluate: Evaluate) -> tuple[float, float | None]:
        modes, generators = _modes(self._model), _generators()
        self._model.eval()
        with torch.no_grad():
            loss, accuracy = evaluate()
        _set_modes(modes)
        _set_generators(generators)
        return float(loss), None if accuracy is None else float(accuracy)


class _Snapshot:
    """Everything that a training loop changes; may be restored many times."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, scaler: Any) -> None:
        self._optimizer, self._scaler = optimizer, scaler
        self._tensors = [(one, one.detach().clone()) for one in (*model.parameters(), *model.buffers())]
        self._gradients = [
            (one, None if one.grad is None else one.grad.clone()) for one in model.parameters()
        ]
        self._modes = _modes(model)
        self._optimizer_state = copy.deepcopy(optimizer.state_dict())
        self._scaler_state = copy.deepcopy(scaler.state_dict()) if scaler is not None else {}
        self._generators = _generators()
        self._watched: dict[torch.Generator, torch.Tensor] = {}

    def watch(self, generator: torch.Generator | None) -> None:
        """Restore this generator as well."""
        if generator is not None:
            self._watched.setdefault(generator, generator.get_state())

    def restore(self) -> None:
        """Bring everything back."""
        with torch.no_grad():
            for tensor, value in self._tensors:
                tensor.copy_(value)
        for parameter, gradient in self._gradients:
            parameter.grad = None if gradient is None else gradient.clone()
        _set_modes(self._modes)
        self._optimizer.load_state_dict(copy.deepcopy(self._optimizer_state))
        if self._scaler_state:
            self._scaler.load_state_dict(copy.deepcopy(self._scaler_state))
        _set_generators(self._generators)
        for generator, state in self._watched.items():
            generator.set_state(state)


def _modes(model: nn.Module) -> list[tuple[nn.Module, bool]]:
    return [(module, module.training) for module in model.modules()]


def _set_modes(modes: list[tuple[nn.Module, bool]]) -> None:
    for module, training in modes:
        module.training = training


def _generators() -> tuple[Any, ...]:
    on_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return torch.get_rng_state(), on_gpus, np.random.get_state(), random.getstate()


def _set_generators(states: tuple[Any, ...]) -> None:
    on_cpu, on_gpus, numpys, pythons = states
    torch.set_rng_state(on_cpu)
    if on_gpus:
        torch.cuda.set_rng_state_all(on_gpus)
    np.random.set_state(numpys)
    random.setstate(pythons)
