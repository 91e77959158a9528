"""Bounds of a model that the caller holds, in one call: the loop around `LRFinder` that most people would write."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from clr.bounds import Bounds, Inconclusive
from clr.confirmation_budget import run_steps
from clr.range_test import RangeTestConfig
from clr.reporting import RangeTestReport
from clr.sweep import Effort
from clr.training.batch_loss import Criterion, TrainingStep, find_device, make_step
from clr.training.cost import CostReport
from clr.training.held_out import is_map, make_evaluation, sample_looks
from clr.training.loop_checks import check_training, training_ahead
from clr.training.lr_finder import LRFinder
from clr.training.nested import moved


def find_bounds(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    criterion: Criterion | None = None,
    loader: Iterable[Any] | None = None,
    *,
    held_out: Any = None,
    training_step: TrainingStep | None = None,
    accumulation_steps: int = 1,
    clip_grad_norm: float | None = None,
    scaler: Any = None,
    effort: Effort = "standard",
    seed: int = 0,
    num_seeds: int = 3,
    start_lr: float | None = None,
    end_lr: float | None = None,
    num_steps: int | None = None,
    schedule: str | None = None,
    num_epochs: float | None = None,
    also: Sequence[Any] = (),
    on_sweep: Callable[[], object] | None = None,
    snapshot_device: torch.device | str | None = None,
    progress: bool | None = None,
    report_to: RangeTestReport | None = None,
) -> Bounds | Inconclusive:
    """Run a range test with this model and answer its bounds; afterwards everything is as it was (see `LRFinder`).

    criterion: (outputs, targets) -> the batch's mean loss; None where the model answers its own, as `.loss` or
    ["loss"]. loader: batches (inputs, targets), whose inputs may be a tuple or a dict that the model takes spread out;
    without a criterion also dicts. They are moved to the model's device. training_step: batch -> the loss with its
    graph, for any other loop; a criterion is then for held_out alone. held_out: a loader, a data set, one pair
    (inputs, targets), or a callable that answers (loss, accuracy in [0, 1] or None); None: the training loss decides.
    Of a large one looks take a sample, which costs two fifths of the time of the steps; a callable decides for itself.

    accumulation_steps: batches whose mean gradient one update uses. clip_grad_norm: the gradient's largest 2-norm.
    scaler: a GradScaler. effort: "quick" is one sweep of one seed; "thorough" trains at the end, at the
    rates and by factors of two around them, what schedule and num_epochs tell, up to 5,120 steps each, or 320 steps
    (held_out must be given): three to six times. start_lr, end_lr, num_steps: of the test sweeps,
    chosen where left out. schedule, num_epochs: of the training that you will run, a policy as "one_cycle" and its
    length: `for_budget` then tells the rates for it, as `Bounds.for_training` does, after a probe or two where it is
    long, of up to 2,000 steps each. Param groups with rates of their own keep their ratio: the bounds are those of the
    first.
    also, on_sweep, snapshot_device, report_to: as `LRFinder` has them. progress: on stderr what the test will cost
    (steps, memory for what is restored, after some steps the time), and a bar; None: where that is a terminal.
    Raises ValueError for what cannot be tested, before anything is trained.
    """
    config = RangeTestConfig(
        seed=seed,
        num_seeds=num_seeds,
        start_lr=start_lr,
        end_lr=end_lr,
        num_steps=num_steps,
        effort=effort,
    )
    _check(optimizer, criterion, loader, held_out, accumulation_steps, clip_grad_norm)
    check_training(schedule, num_epochs, loader, accumulation_steps)
    step = training_step or make_step(model, criterion)
    looked_at = sample_looks(held_out, loader, accumulation_steps, config)
    finder = LRFinder(
        model,
        optimizer,
        evaluate=None if held_out is None else make_evaluation(model, criterion, step, looked_at),
        judge=None if held_out is None else make_evaluation(model, criterion, step, held_out),
        scaler=scaler,
        config=config,
        also=also,
        on_sweep=on_sweep,
        snapshot_device=snapshot_device,
        schedule=schedule,
        num_epochs=num_epochs,
        report_to=report_to,
    )
    training = training_ahead(schedule, num_epochs)
    steps_per_epoch = None if training is None else len(loader) / accumulation_steps  # type: ignore[arg-type]
    cost = CostReport(
        config,
        shown=progress,
        for_training=training is not None,
        run_steps=run_steps(training, steps_per_epoch),
    )
    with scale_alike(optimizer), cost as report:
        with finder:
            report.begin(finder.snapshot_bytes)
            batches = (moved(batch, find_device(model)) for batch in finder.batches(loader))  # type: ignore[arg-type]
            for loss in _run_updates(batches, step, optimizer, accumulation_steps, clip_grad_norm, scaler):
                finder.step(loss)
                report.step(finder.sweeps, finder.current.plan)
        return finder.bounds()


def _run_updates(
    batches: Iterable[Any],
    step: TrainingStep,
    optimizer: torch.optim.Optimizer,
    accumulation_steps: int,
    clip_grad_norm: float | None,
    scaler: Any,
) -> Iterator[Tensor]:
    """Train on the batches; answers after each update the mean loss of its batches, before it."""
    losses: list[Tensor] = []
    for batch in batches:
        if not losses:
            optimizer.zero_grad()
        loss = _check_loss(step(batch)) / accumulation_steps
        (loss if scaler is None else scaler.scale(loss)).backward()
        losses.append(loss.detach())
        if len(losses) < accumulation_steps:
            continue
        if clip_grad_norm is not None:
            if scaler is not None:
                scaler.unscale_(optimizer)
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            nn.utils.clip_grad_norm_(parameters, clip_grad_norm)
        if scaler is None:
            optimizer.step()
        else:
            scaler.step(optimizer)
            scaler.update()
        yield torch.stack(losses).sum()
        losses.clear()


def _check_loss(loss: Any) -> Tensor:
    if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
        description = (
            f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        )
        raise ValueError(
            f"the loss must be a single number with its graph, as criterion answers it; got {description}"
        )
    return loss


def _check(
    optimizer: Any, criterion: Any, loader: Any, held_out: Any, accumulation_steps: int, clip_grad_norm: Any
) -> None:
    """What can be seen to be wrong before anything is trained."""
    if not isinstance(accumulation_steps, int) or accumulation_steps < 1:
        raise ValueError(f"accumulation_steps must be a whole number >= 1, not {accumulation_steps}")
    if clip_grad_norm is not None and not clip_grad_norm > 0:
        raise ValueError(f"clip_grad_norm must be > 0, not {clip_grad_norm}")
    if isinstance(optimizer, torch.optim.LBFGS):
        raise ValueError("LBFGS asks for the loss several times an update: write the loop around ct.LRFinder")
    if not callable(criterion) and criterion is not None:
        raise ValueError(f"criterion must be callable, as nn.CrossEntropyLoss() is; got {criterion!r}")
    if loader is None:
        raise ValueError("there is no loader: find_bounds(model, optimizer, criterion, loader)")
    if is_map(loader):
        raise ValueError("the loader is a data set, which has no batches: DataLoader(data, batch_size=...)")
    if isinstance(held_out, Iterator):
        raise ValueError("held_out is read again and again: hand over the loader, not an iterator")


@contextmanager
def scale_alike(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Have the groups keep the ratio of their rates to the first's inside, where none has an `lr_scale` yet."""
    groups = optimizer.param_groups
    unscaled = [] if any("lr_scale" in group for group in groups) else list(groups)
    try:
        for group, scale in zip(unscaled, find_scales(optimizer) if unscaled else [], strict=True):
            group["lr_scale"] = scale
        yield
    finally:
        for group in unscaled:
            group.pop("lr_scale", None)


def find_scales(optimizer: torch.optim.Optimizer) -> list[float]:
    """The ratio of each group's rate to the first's, also where a scheduler that warms up has begun at 0."""
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    if not all(rates):
        rates = [float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups]
    return [rate / (rates[0] or 1.0) for rate in rates]
