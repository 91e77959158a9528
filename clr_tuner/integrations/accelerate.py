"""A range test of what an `Accelerator` prepared: its processes, its precision, its accumulation."""

from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from clr.bounds import Bounds, Inconclusive
from clr.range_test import RangeTestConfig
from clr.reporting import RangeTestReport
from clr.sweep import Effort
from clr.training.batch_loss import make_step
from clr.training.held_out import make_evaluation, sample_looks
from clr.training.lr_finder import LRFinder
from clr.training.model_bounds import scale_alike

try:
    from accelerate import Accelerator
    from accelerate.optimizer import AcceleratedOptimizer
except ImportError as error:
    raise ImportError(
        "clr_tuner.integrations.accelerate needs Accelerate: pip install 'accelerate>=1.15'"
    ) from error


def range_test(
    accelerator: Accelerator,
    model: nn.Module,
    optimizer: AcceleratedOptimizer,
    criterion: Callable[..., Tensor] | None = None,
    loader: Iterable[Any] | None = None,
    *,
    held_out: Any = None,
    training_step: Callable[[Any], Tensor] | None = None,
    clip_grad_norm: float | None = None,
    effort: Effort = "standard",
    seed: int = 0,
    num_seeds: int = 3,
    start_lr: float | None = None,
    end_lr: float | None = None,
    num_steps: int | None = None,
    schedule: str | None = None,
    num_epochs: float | None = None,
    also: Sequence[Any] = (),
    snapshot_device: torch.device | str | None = None,
    report_to: RangeTestReport | None = None,
) -> Bounds | Inconclusive:
    """Run a range test with a model, an optimizer and a loader as `accelerator.prepare` answered them.

    It trains under `accelerator.accumulate`; with several processes each of them runs it. A prepared held_out is looked
    at in shards. Everything else is as `clr_tuner.find_bounds` has it, and afterwards as it was.
    Raises ValueError for what cannot be tested, before anything is trained.
    """
    if not isinstance(optimizer, AcceleratedOptimizer) or loader is None:
        raise ValueError("hand over model, optimizer and loader as accelerator.prepare answered them")
    config = RangeTestConfig(
        seed=seed,
        num_seeds=num_seeds,
        start_lr=start_lr,
        end_lr=end_lr,
        num_steps=num_steps,
        effort=effort,
    )
    step = training_step or make_step(model, criterion)
    sized = SimpleNamespace(batch_size=getattr(loader, "total_batch_size", None))
    looked_at = sample_looks(held_out, sized, accelerator.gradient_accumulation_steps, config)
    inner = optimizer.optimizer
    finder = LRFinder(
        model,
        inner,
        evaluate=None if looked_at is None else make_evaluation(model, criterion, step, looked_at),
        scaler=accelerator.scaler,
        config=config,
        also=also,
        snapshot_device=snapshot_device,
        schedule=schedule,
        num_epochs=num_epochs,
        report_to=report_to,
    )
    attributes = [vars(holder) for holder in (accelerator, accelerator.gradient_state)]
    kept = [(mapping, dict(mapping)) for mapping in attributes]
    losses: list[Tensor] = []
    try:
        with scale_alike(inner), finder:
            for batch in finder.batches(loader):
                if not losses:
                    inner.zero_grad()
                with accelerator.accumulate(model):
                    loss = step(batch)
                    accelerator.backward(loss)
                    if accelerator.sync_gradients and clip_grad_norm is not None:
                        accelerator.clip_grad_norm_(model.parameters(), clip_grad_norm)
                    optimizer.step()
                losses.append(loss.detach())
                if accelerator.sync_gradients:
                    finder.step(torch.stack(losses).mean())
                    losses.clear()
    finally:
        for mapping, values in kept:
            mapping.clear()
            mapping.update(values)
    return finder.bounds()
