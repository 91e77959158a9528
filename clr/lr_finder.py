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
from torch.nn.parameter import is_lazy

from clr.bounds import Bounds, Inconclusive, find_bounds
from clr.optimizers import momentum_of
from clr.planning import RangeTestConfig, next_sweep
from clr.range_test import Divergence, HeldOut, Point, Sweep
from clr.scheduler import set_lr
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
    are bit for bit as they were; only what lives in a loader's persistent workers is out of reach. `sweeps` holds
    what was measured, `current` the sweep in progress.
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
        if self._config.effort == "thorough":
            raise ValueError("effort thorough trains under schedules, which is the service's: use standard")
        self._before: _Snapshot | None = None

    def __enter__(self) -> Self:
        self._before = _Snapshot(self._model, self._optimizer, self._scaler)
        self._epoch, self._taken = 0, 0  # batches: of the loader, and trained on
        self.sweeps: list[Sweep] = []
        self._over = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            self._before.restore()

    def batches(self, loader: Iterable[Item]) -> Iterator[Item]:
        """The loader's batches, begun again at its end, until the test has measured enough.

        Raises RuntimeError in a loop that never calls `step`, ValueError for a loader without batches.
        """
        if self._before is None:
            raise RuntimeError("use the finder in a `with` block: it restores everything at its end")
        self._before.watch(_generators_of(loader))
        self._epoch = len(loader) if isinstance(loader, Sized) else 0
        while (plan := next_sweep(self._config, self.sweeps)) is not None:
            self._before.restore()
            self._before.seed(plan.seed)
            self._begin(Sweep(plan))
            following, waited = endless(loader), 0
            while not self._over:
                measured = len(self.current.points)
                self._taken += 1
                yield next(following)
                waited = waited + 1 if len(self.current.points) == measured else 0
                if waited > MOST_BATCHES_A_STEP:
                    raise RuntimeError("call finder.step(loss) after each optimizer.step()")

    def step(self, loss: Any) -> None:
        """Take the loss of the batch that was just trained on (before its update), and set the next rate.

        Once per optimizer step, not per accumulated micro-batch.
        """
        if self._over:
            raise RuntimeError("this sweep is over: step once per batch of `finder.batches(loader)`, at most")
        plan, step = self.current.plan, len(self.current.points)
        lr, last = plan.lr(step), step == plan.num_steps - 1
        value = float(loss.detach() if isinstance(loss, torch.Tensor) else loss)
        self.current.add(Point(step, lr, value))
        diverged = self._divergence.seen(value)
        due = last or (step + 1) % plan.eval_every == 0
        if self._evaluate is not None and due and not diverged:
            self.current.add(HeldOut(step, lr, *self._look(self._evaluate)))
        self._over = diverged or last
        if self._over:
            self.sweeps.append(self.current)
        else:
            self._set(plan.lr(step + 1))

    def bounds(self) -> Bounds | Inconclusive:
        """The recommendation, or why there is none."""
        steps = sum(len(sweep.points) for sweep in self.sweeps)
        return find_bounds(
            self.sweeps,
            steps_per_epoch=self._epoch * steps / self._taken if self._epoch else None,
            optimizer=type(self._optimizer).__name__,
            momentum=momentum_of(self._optimizer.param_groups[0]),
        )

    def _begin(self, sweep: Sweep) -> None:
        self.current, self._divergence, self._over = sweep, Divergence(), False
        self._set(sweep.plan.lr(0))

    def _set(self, lr: float) -> None:
        for group in self._optimizer.param_groups:
            set_lr(group, lr)

    def _look(self, evaluate: Evaluate) -> tuple[float, float | None]:
        modes, generators = _modes(self._model), _generators()
        self._model.eval()
        with torch.no_grad():
            loss, accuracy = evaluate()
        _set_modes(modes)
        _set_generators(generators)
        return float(loss), None if accuracy is None else float(accuracy)


class _Snapshot:
    """Everything that a training loop changes; may be restored many times.

    Raises ValueError for a model whose lazy parameters have no shape yet.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, scaler: Any) -> None:
        self._optimizer, self._scaler = optimizer, scaler
        parameters = {
            *model.parameters(),
            *(one for group in optimizer.param_groups for one in group["params"]),
        }
        if any(map(is_lazy, parameters)):
            raise ValueError("the model has lazy parameters without a shape: run one batch through it first")
        self._parameters = [
            (one, one.detach().clone(), one.requires_grad, None if one.grad is None else one.grad.clone())
            for one in parameters
        ]
        self._buffers = [
            (module, name, buffer, copy.deepcopy(buffer))
            for module in model.modules()
            for name, buffer in module._buffers.items()
        ]
        self._modes = _modes(model)
        self._groups = [
            {name: (held, None if name == "params" else copy.deepcopy(held)) for name, held in group.items()}
            for group in optimizer.param_groups
        ]
        self._state = {parameter: copy.deepcopy(state) for parameter, state in optimizer.state.items()}
        self._scaler_attributes = copy.deepcopy(vars(scaler)) if scaler is not None else {}
        self._generators = _generators()
        self._watched: dict[torch.Generator, torch.Tensor] = {}

    def watch(self, generators: Iterable[torch.Generator]) -> None:
        """Restore these as well."""
        for generator in generators:
            self._watched.setdefault(generator, generator.get_state())

    def seed(self, seed: int) -> None:
        """Have every generator of torch's draw by this seed."""
        torch.manual_seed(seed)
        for generator in self._watched:
            generator.manual_seed(seed)

    def restore(self) -> None:
        """Bring everything back."""
        with torch.no_grad():
            for parameter, value, requires_grad, gradient in self._parameters:
                parameter.copy_(value)
                parameter.requires_grad_(requires_grad)
                parameter.grad = None if gradient is None else gradient.clone()
            for module, name, buffer, value in self._buffers:
                module._buffers[name] = buffer
                if buffer is not None and value is not None:
                    buffer.copy_(value)
        _set_modes(self._modes)
        self._restore_optimizer()
        if self._scaler is not None:
            vars(self._scaler).update(copy.deepcopy(self._scaler_attributes))
        _set_generators(self._generators)
        for generator, state in self._watched.items():
            generator.set_state(state)

    def _restore_optimizer(self) -> None:
        """In place: load_state_dict would cast the state to its parameter's dtype, and part with tensor rates."""
        self._optimizer.state.clear()
        for parameter, state in self._state.items():
            self._optimizer.state[parameter] = copy.deepcopy(state)
        for group, before in zip(self._optimizer.param_groups, self._groups, strict=True):
            for name in group.keys() - before.keys():
                del group[name]
            for name, (held, value) in before.items():
                tensor = isinstance(held, torch.Tensor)
                group[name] = (
                    held.copy_(value) if tensor else held if name == "params" else copy.deepcopy(value)
                )


def _generators_of(loader: Any) -> list[torch.Generator]:
    """Those that a loader and its samplers draw from; clr's `StagedBatches` has one too."""
    inner = (
        getattr(getattr(loader, "batch_sampler", None), "sampler", None),
        getattr(loader, "sampler", None),
    )
    found = (getattr(one, "generator", None) for one in (loader, *inner))
    return [one for one in found if isinstance(one, torch.Generator)]


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
