"""Bounds of a model that the caller holds, in one call: the loop around `LRFinder` that most people would write."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
)

from clr.bounds import Bounds, Inconclusive
from clr.problem import Untrainable
from clr.range_test import TEST_STEPS, RangeTestConfig, look_every
from clr.reporting import RangeTestReport
from clr.sweep import Effort
from clr.training.accuracy import share_right
from clr.training.cost import CostReport
from clr.training.looks import HELD_OUT_CHUNK, sample, sample_pair
from clr.training.loop_checks import check_training
from clr.training.lr_finder import LRFinder
from clr.training.nested import moved, num_examples, sliced

Criterion = Callable[..., Tensor]
TrainingStep = Callable[[Any], Tensor]

AS_MODULE: dict[Any, nn.Module] = {  # whose rule of accuracy a function has
    functional.cross_entropy: nn.CrossEntropyLoss(),
    functional.nll_loss: nn.NLLLoss(),
    functional.binary_cross_entropy_with_logits: nn.BCEWithLogitsLoss(),
    functional.binary_cross_entropy: nn.BCELoss(),
}


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
    scaler: a GradScaler. effort: "quick" is one sweep of one seed. start_lr, end_lr, num_steps: of the test sweeps,
    chosen where left out. schedule, num_epochs: of the training that you will run, a policy as "one_cycle" and its
    length: `for_budget` then tells the rates for it, as `Bounds.for_training` does, after one more sweep of up to 2,000
    steps where so long a training may overfit and no sweep tells. Param groups with rates of their
    own keep their ratio: the bounds are those of the first.
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
        evaluate=None if looked_at is None else make_evaluation(model, criterion, step, looked_at),
        scaler=scaler,
        config=config,
        also=also,
        on_sweep=on_sweep,
        snapshot_device=snapshot_device,
        schedule=schedule,
        num_epochs=num_epochs,
        report_to=report_to,
    )
    with scale_alike(optimizer), CostReport(config, shown=progress) as report:
        with finder:
            report.begin(finder.snapshot_bytes)
            batches = (moved(batch, _find_device(model)) for batch in finder.batches(loader))  # type: ignore[arg-type]
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
    if _is_map(loader):
        raise ValueError("the loader is a data set, which has no batches: DataLoader(data, batch_size=...)")
    if isinstance(held_out, Iterator):
        raise ValueError("held_out is read again and again: hand over the loader, not an iterator")


def make_step(model: nn.Module, criterion: Criterion | None) -> TrainingStep:
    def step(batch: Any) -> Tensor:
        if criterion is None:
            return _read_loss(_call(model, batch))
        inputs, targets = _read_pair(batch)
        return criterion(_call(model, inputs), targets)

    return step


def _call(model: nn.Module, inputs: Any) -> Any:
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple | list) else model(inputs)


def _read_loss(outputs: Any) -> Tensor:
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else getattr(outputs, "loss", None)
    if not isinstance(loss, Tensor):
        raise ValueError(
            f"the model answers no loss of its own but {type(outputs).__name__}: give a criterion, or training_step="
        )
    return loss


def _read_pair(batch: Any) -> tuple[Any, Any]:
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise ValueError(
            f"a batch must be (inputs, targets), got {type(batch).__name__}: give training_step= for others, "
            "or no criterion where the model answers its own loss"
        )
    inputs, targets = batch
    return inputs, targets


def make_evaluation(
    model: nn.Module, criterion: Criterion | None, step: TrainingStep, held_out: Any
) -> Callable[[], tuple[float, float | None]]:
    """What `LRFinder` calls: (loss, accuracy) over the held-out set, each batch by its examples."""
    if callable(held_out):
        return held_out  # type: ignore[no-any-return]

    def evaluate() -> tuple[float, float | None]:
        examples, loss, right = 0, 0.0, 0.0
        for batch in _list_batches(held_out):
            batch = moved(batch, _find_device(model))
            many = num_examples(batch)
            if criterion is None:
                mean, share = step(batch), None
            else:
                inputs, targets = _read_pair(batch)
                outputs = _call(model, inputs)
                mean, share = criterion(outputs, targets), _read_accuracy(criterion, outputs, targets)
            examples, loss = examples + many, loss + many * float(mean)
            right += many * (float("nan") if share is None else share)
        if not examples:
            raise ValueError("held_out has no examples")
        return loss / examples, None if math.isnan(right) else right / examples

    return evaluate


def sample_looks(held_out: Any, loader: Any, accumulation_steps: int, config: RangeTestConfig) -> Any:
    """As much of the held-out set as looks may take, where its examples and the size of a batch are known."""
    batch_size = getattr(loader, "batch_size", None)
    if batch_size is None:
        return held_out
    paid = {
        "batch_size": batch_size * accumulation_steps,
        "eval_every": look_every(config.num_steps or TEST_STEPS),
    }
    if _is_pair(held_out):
        return sample_pair(held_out, **paid)
    data = held_out.dataset if _is_plain(held_out) else held_out
    if not _is_map(data) or (indices := sample(len(data), **paid)) is None:
        return held_out
    few = Subset(data, indices.tolist())
    if data is held_out:
        return few
    return DataLoader(
        few,
        batch_size=held_out.batch_size,
        collate_fn=held_out.collate_fn,
        num_workers=held_out.num_workers,
        worker_init_fn=held_out.worker_init_fn,
        multiprocessing_context=held_out.multiprocessing_context,
    )


def _list_batches(held_out: Any) -> Iterable[Any]:
    if _is_map(held_out):
        return DataLoader(held_out, batch_size=HELD_OUT_CHUNK)
    if _is_pair(held_out):
        starts = range(0, num_examples(held_out), HELD_OUT_CHUNK)
        return (sliced(held_out, start, start + HELD_OUT_CHUNK) for start in starts)
    return held_out  # type: ignore[no-any-return]


def _is_plain(loader: Any) -> bool:
    """Whether it is a DataLoader that gives each example of a data set once, in batches of one size."""
    if type(loader) is not DataLoader or loader.batch_size is None or loader.drop_last:
        return False
    sampler = loader.sampler
    if isinstance(sampler, RandomSampler):
        return not sampler.replacement and sampler.num_samples == len(sampler.data_source)
    return isinstance(sampler, SequentialSampler)


def _is_pair(data: Any) -> bool:
    """Whether it is (inputs, targets) as tensors."""
    return isinstance(data, tuple | list) and len(data) == 2 and isinstance(data[1], Tensor)


def _is_map(data: Any) -> bool:
    """Whether it is a data set of single examples; a stream may well give batches."""
    return isinstance(data, Dataset) and not isinstance(data, IterableDataset)


def _read_accuracy(criterion: Criterion, outputs: Any, targets: Any) -> float | None:
    """The share of the targets that are met; None where they are nothing to be met, as in a regression."""
    try:
        return share_right(AS_MODULE.get(criterion, criterion), outputs, targets).item()  # type: ignore[arg-type]
    except Untrainable:
        return None


def _find_device(model: nn.Module) -> str:
    return next((str(parameter.device) for parameter in model.parameters()), "cpu")


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
