"""Range tests for pytorch-ignite: the updates are those of a trainer's own update function.

A schedule needs nothing of ignite's: `ct.Scheduler(optimizer, schedule).follow()` before `trainer.run`.
"""

from __future__ import annotations

import copy
import math
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn

from clr.bounds import Bounds, Inconclusive
from clr.range_test import RangeTestConfig
from clr.reporting import RangeTestReport
from clr.sweep import Effort
from clr.training.held_out import sample_looks
from clr.training.lr_finder import Evaluate, LRFinder
from clr.training.model_bounds import scale_alike

try:
    from ignite.engine import Engine
    from ignite.metrics import Metric
except ImportError as error:
    raise ImportError(
        "clr_tuner.integrations.ignite needs ignite: pip install 'pytorch-ignite>=0.5.5'"
    ) from error


def range_test(
    trainer: Any,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loader: Iterable[Any],
    *,
    evaluator: Any = None,
    held_out: Iterable[Any] | None = None,
    output_transform: Callable[[Any], Any] = lambda output: output,
    loss: str = "loss",
    accuracy: str | None = None,
    effort: Effort = "standard",
    seed: int = 0,
    num_seeds: int = 3,
    start_lr: float | None = None,
    end_lr: float | None = None,
    num_steps: int | None = None,
    schedule: str | None = None,
    num_epochs: float | None = None,
    also: Sequence[Any] = (),
    report_to: RangeTestReport | None = None,
) -> Bounds | Inconclusive:
    """The bounds for `trainer.run(loader)`; afterwards model, optimizer, engines and generators are as they were.

    trainer: an Engine, whose update function trains the model by this optimizer, with accumulation or a scaler as it
    likes; handlers rest. output_transform: what it answers -> the loss of the batch. evaluator, held_out: an Engine and
    its loader, without which the training loss decides; of its handlers its metrics alone run. loss, accuracy: their
    names (accuracy in [0, 1]; None: "accuracy", where there is one). also: what else the update function changes.
    The rest of the arguments are those of `clr_tuner.find_bounds`.
    Raises ValueError for what cannot be tested.
    """
    if not isinstance(trainer, Engine):
        raise ValueError(f"trainer must be an ignite Engine, got {trainer!r}")
    if (evaluator is None) != (held_out is None):
        raise ValueError("evaluator and held_out go together: give both, or neither")
    config = RangeTestConfig(
        seed=seed,
        num_seeds=num_seeds,
        start_lr=start_lr,
        end_lr=end_lr,
        num_steps=num_steps,
        effort=effort,
    )
    twin = _make_twin(trainer)
    with scale_alike(optimizer), _Updates(optimizer) as updates:
        finder = LRFinder(
            model,
            optimizer,
            evaluate=None
            if evaluator is None
            else _make_evaluation(evaluator, sample_looks(held_out, loader, 1, config), loss, accuracy),
            config=config,
            also=also,
            schedule=schedule,
            num_epochs=num_epochs,
            report_to=report_to,
        )
        with finder:
            losses: list[float] = []
            for twin.state.batch in finder.batches(loader):
                twin.state.iteration += 1
                twin.state.output = twin._process_function(twin, twin.state.batch)
                losses.append(_read_loss(output_transform(twin.state.output)))
                if updates.taken() or not math.isfinite(losses[-1]):  # which a scaler skips for ever
                    finder.step(sum(losses) / len(losses))
                    losses.clear()
        return finder.bounds()


class _Updates:
    """Whether an optimizer has stepped."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer, self.made = optimizer, False

    def __enter__(self) -> _Updates:
        self.handle = self.optimizer.register_step_post_hook(self.note)
        return self

    def __exit__(self, *_: Any) -> None:
        self.handle.remove()

    def note(self, *_: Any) -> None:
        """Called by torch after a step."""
        self.made = True

    def taken(self) -> bool:
        """Whether it has since the last call."""
        made, self.made = self.made, False
        return made


def _make_twin(engine: Any) -> Any:
    """An engine with the same update function and state, at iteration 0; without handlers."""
    twin = Engine(engine._process_function)
    twin.state = copy.copy(engine.state)
    twin.state.epoch, twin.state.iteration = 1, 0
    return twin


def _make_evaluation(evaluator: Any, held_out: Any, loss: str, accuracy: str | None) -> Evaluate:
    twin = Engine(evaluator._process_function)
    for event, handlers in evaluator._event_handlers.items():
        for handler, arguments, named in handlers:
            if isinstance(getattr(handler, "__self__", None), Metric):
                own = [
                    argument for argument in arguments if not isinstance(argument, weakref.ref)
                ]  # the engine
                twin.add_event_handler(event, handler, *own, **named)

    def evaluate() -> tuple[float, float | None]:
        metrics = twin.run(held_out).metrics
        for name in (loss, accuracy):
            if name is not None and name not in metrics:
                raise ValueError(
                    f"the evaluator has no metric {name!r}, only {', '.join(metrics) or 'none'}: "
                    "name its own by loss= and accuracy="
                )
        share = metrics.get(accuracy or "accuracy")
        return float(metrics[loss]), None if share is None else float(share)

    return evaluate


def _read_loss(loss: Any) -> float:
    try:
        return float(loss)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(
            f"the update function answers {type(loss).__name__}: tell the loss in it by output_transform="
        ) from None
