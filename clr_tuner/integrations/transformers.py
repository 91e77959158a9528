"""Range tests and schedules of a Transformers `Trainer`, which computes losses and updates as it always does.

A test begins as `Trainer.train` does and takes over before the first step, so that models are wrapped, optimizers made
and batches drawn by the Trainer; its callbacks, logs and checkpoints have no part in it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Subset

from clr.bounds import Bounds, Inconclusive
from clr.range_test import TEST_STEPS, RangeTestConfig, look_every
from clr.reporting import RangeTestReport
from clr.scheduler import Scheduler
from clr.sweep import Effort
from clr.training.accuracy import share_right
from clr.training.held_out import Score, pool_scores
from clr.training.looks import sample
from clr.training.lr_finder import LRFinder
from clr.training.model_bounds import find_scales, scale_alike
from clr.training.nested import num_examples
from clr.training.snapshot import Snapshot

try:
    from transformers import Trainer, TrainerCallback
    from transformers.trainer_utils import has_length
except ImportError as error:
    raise ImportError(
        "clr_tuner.integrations.transformers needs Transformers: pip install 'transformers[torch]>=5.24'"
    ) from error

Batches = tuple[
    list[Any], Any
]  # of one update, and how many items they have, where a loss is a mean over those


def range_test(
    trainer: Trainer,
    *,
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
    """Run a range test as this Trainer will train: its loss, precision, accumulation, clipping, processes.

    Afterwards model, optimizer, generators and the Trainer are as they were. Its `eval_dataset` (of several the first,
    of a large one a sample) is looked at for its loss, and for accuracy where each example has one class. The rest is
    as `clr_tuner.find_bounds` has it. A warning says how many updates `max_grad_norm` clipped, if any.
    Raises ValueError for what cannot be tested, before anything is trained.
    """
    config = _configure(effort, seed, num_seeds, start_lr, end_lr, num_steps)

    def run(loader: Any) -> Bounds | Inconclusive:
        updates = _Updates(trainer, loader)
        return _measure(trainer, updates, config, schedule, num_epochs, also, snapshot_device, report_to)

    with _as_it_was(trainer):
        begun = _AtBegin(run)
        trainer.callback_handler.callbacks = [begun]
        try:
            trainer.train()
        except _Measured as measured:
            return measured.found
    raise RuntimeError(
        "the Trainer's `train` does not call `on_train_begin`: write the loop around ct.LRFinder"
    )


def _configure(
    effort: Effort = "standard",
    seed: int = 0,
    num_seeds: int = 3,
    start_lr: float | None = None,
    end_lr: float | None = None,
    num_steps: int | None = None,
) -> RangeTestConfig:
    return RangeTestConfig(
        seed=seed,
        num_seeds=num_seeds,
        start_lr=start_lr,
        end_lr=end_lr,
        num_steps=num_steps,
        effort=effort,
    )


class _Measured(Exception):
    """Leaves `Trainer.train` with what was found."""

    def __init__(self, found: Bounds | Inconclusive) -> None:
        self.found = found


class _AtBegin(TrainerCallback):  # type: ignore[misc]
    def __init__(self, run: Callable[[Any], Bounds | Inconclusive]) -> None:
        self._run = run

    def on_train_begin(self, *_: Any, train_dataloader: Any, **__: Any) -> None:
        raise _Measured(self._run(train_dataloader))


def _measure(
    trainer: Any,
    updates: "_Updates",
    config: RangeTestConfig,
    schedule: str | None,
    num_epochs: float | None,
    also: Sequence[Any] = (),
    snapshot_device: torch.device | str | None = None,
    report_to: RangeTestReport | None = None,
) -> Bounds | Inconclusive:
    """The range test in a Trainer that is about to train."""
    if trainer.is_deepspeed_enabled:
        raise ValueError("DeepSpeed updates by itself: run the range test without it, with the same batches")
    optimizer = trainer.optimizer.optimizer  # accelerate's wrapper steps this one
    finder = LRFinder(
        trainer.model,
        optimizer,
        evaluate=_make_evaluation(trainer, config),
        scaler=trainer.accelerator.scaler,
        config=config,
        also=also,
        snapshot_device=snapshot_device,
        schedule=schedule,
        num_epochs=num_epochs,
        report_to=report_to,
    )
    clipped = 0
    with scale_alike(optimizer), finder:
        for batches, num_items in finder.batches(updates):
            loss, norm = _update(trainer, batches, num_items)
            clipped += norm > trainer.args.max_grad_norm > 0
            finder.step(loss)
    found = finder.bounds()
    if not clipped:
        return found
    share = clipped / sum(len(sweep.points) for sweep in finder.sweeps)
    warning = (
        f"max_grad_norm={trainer.args.max_grad_norm:g} clipped {share:.0%} of the updates, which hides where rates are "
        "too high: the bounds hold for a training that clips alike"
    )
    return replace(found, warnings=(*found.warnings, warning))


class _Updates:
    """A loader's batches, as many at once as the Trainer takes for an update."""

    def __init__(self, trainer: Any, loader: Any) -> None:
        self.loader, self._draw = loader, trainer.get_batch_samples
        self._many: int = trainer.args.gradient_accumulation_steps
        self._device = trainer.args.device
        self.persistent_workers = getattr(loader, "persistent_workers", False)

    def __len__(self) -> int:
        return -(-len(self.loader) // self._many)

    def __iter__(self) -> Iterator[Batches]:
        batches = iter(self.loader)
        while (drawn := self._draw(batches, self._many, self._device))[0]:
            yield drawn


def _update(trainer: Any, batches: list[Any], num_items: Any) -> tuple[Tensor, float]:
    """Train on the batches of one update; the loss before it, and the gradient's norm (0 where nothing clips)."""
    model, accelerator, last = trainer.model_wrapped, trainer.accelerator, len(batches) - 1
    trainer.current_gradient_accumulation_steps = len(batches)
    losses, norm = [], 0.0
    for index, inputs in enumerate(batches):
        accelerator.gradient_state._set_sync_gradients(index == last)
        with nullcontext() if index == last else accelerator.no_sync(model=model):
            losses.append(trainer.training_step(model, inputs, num_items))
    if trainer.args.max_grad_norm > 0:
        norm = float(accelerator.clip_grad_norm_(model.parameters(), trainer.args.max_grad_norm))
    trainer.optimizer.step()
    model.zero_grad()
    return torch.stack(losses).sum(), norm


def _make_evaluation(
    trainer: Any, config: RangeTestConfig
) -> Callable[[], tuple[float, float | None]] | None:
    """What `LRFinder` calls for (loss, accuracy), each batch by its examples; None without an eval_dataset."""
    data = trainer.eval_dataset
    if isinstance(data, dict):
        data = next(iter(data.values()), None)
    if data is None:
        return None
    loader = trainer.get_test_dataloader(_sample(trainer, data, config))
    loss_only = trainer.args.prediction_loss_only or getattr(trainer.args, "predict_with_generate", False)

    def score(inputs: Any) -> Score:
        loss, logits, labels = trainer.prediction_step(trainer.model, inputs, loss_only)
        if loss is None:
            raise ValueError("eval_dataset gives no loss: its examples need labels, or leave it out")
        return num_examples(inputs), float(loss), _read_accuracy(logits, labels)

    def evaluate() -> tuple[float, float | None]:
        trainer.optimizer.eval()  # schedule-free optimizers hold other weights for it; a step takes them back
        return pool_scores(map(score, loader), of="eval_dataset")

    return evaluate


def _sample(trainer: Any, data: Any, config: RangeTestConfig) -> Any:
    """As many of the examples as looks may take; all of a stream."""
    if not hasattr(data, "__len__") or not hasattr(data, "__getitem__"):
        return data
    batch_size = trainer.args.train_batch_size * trainer.args.gradient_accumulation_steps
    eval_every = look_every(config.num_steps or TEST_STEPS)
    indices = sample(len(data), batch_size=batch_size * trainer.args.world_size, eval_every=eval_every)
    return data if indices is None else Subset(data, indices.tolist())


def _read_accuracy(logits: Any, labels: Any) -> float | None:
    """The share of the examples whose one class is right; None where they have none, or several."""
    scores = logits[0] if isinstance(logits, tuple) and logits else logits
    if not isinstance(scores, Tensor) or not isinstance(labels, Tensor):
        return None
    if scores.dim() != 2 or labels.dim() != 1 or scores.shape[1] < 2 or labels.is_floating_point():
        return None
    return share_right(nn.CrossEntropyLoss(), scores, labels).item()


@contextmanager
def _as_it_was(trainer: Any) -> Iterator[None]:
    """The Trainer and what it holds, as before; of tensors only where they are bound, the finder restores the rest."""
    holders = (trainer, trainer.callback_handler, trainer.control, trainer.accelerator)
    attributes = [vars(holder) for holder in (*holders, trainer.accelerator.gradient_state)]
    kept = [(mapping, dict(mapping)) for mapping in attributes]
    gradients = [(parameter, parameter.grad) for parameter in trainer.model.parameters()]
    before = Snapshot(trainer.model, trainer.optimizer, trainer.lr_scheduler, without=(Tensor,))
    try:
        yield
    finally:
        for mapping, values in kept:
            mapping.clear()
            mapping.update(values)
        before.restore()
        for parameter, gradient in gradients:
            parameter.grad = gradient


class RangeTestCallback(TrainerCallback):  # type: ignore[misc]
    """Runs a range test as training begins, and then trains under a schedule within its bounds.

        trainer.add_callback(RangeTestCallback(trainer, "one_cycle"))
        trainer.train()

    policy, and `parameters` of its own: as `Bounds.schedule` has them; the budget is the Trainer's. test: effort, seed,
    num_seeds, start_lr, end_lr and num_steps as for `range_test`. `bounds` is what was found. A training that is
    resumed goes on under the schedule of its checkpoint, without another test. Training ends with ValueError where
    there are no bounds. Raises ValueError where the Trainer was given a scheduler.
    """

    def __init__(
        self,
        trainer: Trainer,
        policy: str = "one_cycle",
        *,
        parameters: Mapping[str, Any] | None = None,
        **test: Any,
    ) -> None:
        if trainer.lr_scheduler is not None:
            raise ValueError("the Trainer has a scheduler: leave it out, the callback brings its own")
        self._trainer: Any = trainer
        self._policy, self._parameters = policy, dict(parameters or {})
        self._config = _configure(**test)
        self.bounds: Bounds | Inconclusive | None = None
        trainer.create_scheduler = self._create_scheduler

    def on_train_begin(
        self, _args: Any, state: Any, _control: Any, *, train_dataloader: Any, **_: Any
    ) -> None:
        """Find the bounds, and set the schedule; not where a checkpoint has told it."""
        if state.global_step:
            return
        trainer, num_steps = self._trainer, state.max_steps
        updates = _Updates(trainer, train_dataloader)
        budget = (self._policy, num_steps / len(updates)) if has_length(train_dataloader) else (None, None)
        self.bounds = _measure(trainer, updates, self._config, *budget)
        schedule = self.bounds.schedule(self._policy, num_steps=num_steps, **self._parameters)
        trainer.lr_scheduler.load_state_dict(Scheduler(trainer.optimizer, schedule).state_dict())

    def _create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Scheduler:
        """In place of the Trainer's: the rates stay as they are until a schedule is known, or loaded."""
        trainer = self._trainer
        optimizer = optimizer or trainer.optimizer
        groups, scales = optimizer.param_groups, find_scales(optimizer)
        if len(set(scales)) > 1 and not any("lr_scale" in group for group in groups):
            for group, scale in zip(groups, scales, strict=True):
                group["lr_scale"] = scale  # their ratio, in the test and under the schedule
        if trainer.lr_scheduler is None:
            held = {"policy": "fixed", "lr": float(groups[0]["lr"]) or trainer.args.learning_rate}
            trainer.lr_scheduler = Scheduler(optimizer, held)
        scheduler: Scheduler = trainer.lr_scheduler
        return scheduler
