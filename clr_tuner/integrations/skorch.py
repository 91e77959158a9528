"""Range tests and schedules for skorch's NeuralNet: the updates are `net.train_step`'s, as `fit` makes them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Subset

from clr.bounds import Bounds, Inconclusive
from clr.policies import Schedule
from clr.problem import Untrainable
from clr.range_test import TEST_STEPS, RangeTestConfig, look_every
from clr.reporting import RangeTestReport
from clr.scheduler import Scheduler
from clr.sweep import Effort
from clr.training.accuracy import share_right
from clr.training.looks import sample
from clr.training.loop_checks import check_training
from clr.training.lr_finder import LRFinder
from clr.training.nested import num_examples, tensors
from clr.training.snapshot import Snapshot

try:
    from skorch.callbacks import Callback, LRScheduler, ParamMapper
    from skorch.dataset import unpack_data
    from skorch.history import History
except ImportError as error:
    raise ImportError("clr_tuner.integrations.skorch needs skorch: pip install 'skorch>=1.4'") from error

TAKEN = "schedule_step"  # in the history, which nets and checkpoints keep: updates made under the schedule


def range_test(
    net: Any,
    X: Any,
    y: Any = None,
    *,
    effort: Effort = "standard",
    seed: int = 0,
    num_seeds: int = 3,
    start_lr: float | None = None,
    end_lr: float | None = None,
    num_steps: int | None = None,
    schedule: str | None = None,
    num_epochs: float | None = None,
    report_to: RangeTestReport | None = None,
    **fit_params: Any,
) -> Bounds | Inconclusive:
    """The bounds for `net.fit(X, y, **fit_params)`; afterwards net, callbacks and random generators are as they were.

    It begins with the weights that `fit` would begin with: new ones, unless the net has warm_start and is initialized.
    Updates are those of `net.train_step`, gradient clipping and accumulation included; Freezer and the like work as in
    the first epoch, other callbacks rest. The net's own `train_split` tells what is held out; without one the training
    loss decides. The optimizer is `optimizer_`; the rest of the arguments are those of `clr_tuner.find_bounds`.
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
    with _as_fit_begins(net):
        net.check_data(X, y)
        train, valid = net.get_split_datasets(X, y, **fit_params)
        loader = net.get_iterator(train, training=True)
        check_training(schedule, num_epochs, loader, 1)
        optimizer = _find_optimizer(net)
        finder = LRFinder(
            net.module_,
            optimizer,
            evaluate=None if valid is None else _make_evaluation(net, valid, loader, config, fit_params),
            config=config,
            also=_list_parts(net),
            schedule=schedule,
            num_epochs=num_epochs,
            report_to=report_to,
        )
        with _noted_updates(optimizer) as updates, finder:  # a hook made inside would go with a restore
            losses: list[Tensor] = []
            for batch in finder.batches(_Epochs(net, loader)):
                losses.append(net.train_step(batch, **fit_params)["loss"].detach())
                if updates:
                    finder.step(torch.stack(losses).mean())
                    losses.clear()
                    updates.clear()
        return finder.bounds()


class SchedulerCallback(Callback):  # type: ignore[misc]  # skorch has no types
    """Gives every update of `fit` the rate of a schedule of ours: as `clr_tuner.Scheduler` does, after each update
    that really happens, so that gradient accumulation does not matter.

    schedule, momentum: as `clr_tuner.Scheduler` has them. `partial_fit`, and `fit` with a `LoadInitState` listed
    before, go on where the history says that the last one ended. Each batch of the history has the rate, as `event_lr`.
    Raises ValueError in a net that has skorch's LRScheduler too.
    """

    def __init__(self, schedule: Schedule | Mapping[str, Any], momentum: tuple[float, float] | None = None):
        self.schedule, self.momentum = schedule, momentum

    def on_train_begin(self, net: Any, **_: Any) -> None:
        """Set the rate of the first update, or of the one at which the history ends."""
        if any(isinstance(callback, LRScheduler) for _, callback in net.callbacks_):
            raise ValueError(
                "the net has an LRScheduler, which sets the rate as well: remove it from callbacks"
            )
        if "handle_" in vars(self):  # the last training raised
            self.on_train_end(net)
        scheduler = Scheduler(_find_optimizer(net), self.schedule, momentum=self.momentum)
        taken = next((epoch[TAKEN] for epoch in reversed(net.history) if TAKEN in epoch), 0)
        scheduler.load_state_dict(scheduler.state_dict() | {"step": taken})
        self.scheduler_ = scheduler
        self.handle_ = scheduler.follow()

    def on_batch_begin(self, net: Any, training: bool = False, **_: Any) -> None:
        """Note the rate."""
        if training:
            net.history.record_batch("event_lr", self.scheduler_.get_last_lr()[0])

    def on_batch_end(self, net: Any, training: bool = False, **_: Any) -> None:
        """Note how far the schedule is."""
        if training:
            net.history.record(TAKEN, self.scheduler_.state_dict()["step"])

    def on_train_end(self, net: Any, **_: Any) -> None:
        """Leave the optimizer alone."""
        self.handle_.remove()
        del self.scheduler_, self.handle_


def _find_optimizer(net: Any) -> Any:
    """The one whose steps are updates: accelerate wraps it, steps it once for accumulated batches, and has no hooks."""
    optimizer = net.optimizer_
    return optimizer if hasattr(optimizer, "_optimizer_step_post_hooks") else optimizer.optimizer


class _Epochs:
    """The batches of a loader; the net's history hears of epochs and batches, as nets that accumulate count them."""

    def __init__(self, net: Any, loader: Any) -> None:
        self.net, self.loader = net, loader
        self.persistent_workers = getattr(loader, "persistent_workers", False)

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        self.net.history.new_epoch()
        for batch in self.loader:
            self.net.history.new_batch()
            yield batch


def _list_parts(net: Any) -> list[Any]:
    """The modules, criteria and optimizers of a net, further ones of its class included."""
    parts = [getattr(net, f"{name}_") for name in (*net._modules, *net._criteria, *net._optimizers)]
    return [part for part in parts if isinstance(part, nn.Module | torch.optim.Optimizer)]


@contextmanager
def _as_fit_begins(net: Any) -> Iterator[None]:
    """The net inside is as `fit` would have it before its first batch."""
    listed = [] if net.callbacks in (None, "disable") else net.callbacks
    callbacks = [item[1] if isinstance(item, tuple | list) else item for item in listed]
    changed = [net, *(callback for callback in callbacks if isinstance(callback, Callback))]
    attributes = [dict(vars(value)) for value in changed]
    before = Snapshot()
    try:
        net.verbose, net.history_ = 0, History()
        if not net.warm_start or not net.initialized_:
            net.initialize()
        mappers = [callback for _, callback in net.callbacks_ if isinstance(callback, ParamMapper)]
        if mappers:
            before.add(_list_parts(net))
            net.history.new_epoch()
            for mapper in mappers:
                mapper.on_epoch_begin(net)
        yield
    finally:
        for value, kept in zip(changed, attributes, strict=True):
            vars(value).clear()
            vars(value).update(kept)
        before.restore()


@contextmanager
def _noted_updates(optimizer: torch.optim.Optimizer) -> Iterator[list[bool]]:
    """A list that grows with every update inside."""
    updates: list[bool] = []
    handle = optimizer.register_step_post_hook(lambda *_: updates.append(True))
    try:
        yield updates
    finally:
        handle.remove()


def _make_evaluation(
    net: Any, valid: Any, loader: Any, config: RangeTestConfig, fit_params: dict[str, Any]
) -> Callable[[], tuple[float, float | None]]:
    """(loss, accuracy) over the net's held-out set, or over as many of its examples as looks may take."""
    every = look_every(config.num_steps or TEST_STEPS)
    chosen = sample(len(valid), batch_size=loader.batch_size or 1, eval_every=every)
    looked_at = net.get_iterator(valid if chosen is None else Subset(valid, chosen.tolist()), training=False)

    def evaluate() -> tuple[float, float | None]:
        examples, loss, right = 0, 0.0, 0.0
        for batch in looked_at:
            answer, many = net.validation_step(batch, **fit_params), num_examples(batch)
            share = _read_accuracy(net, answer["y_pred"], unpack_data(batch)[1])
            examples, loss = examples + many, loss + many * answer["loss"].item()
            right += many * (float("nan") if share is None else share)
        return loss / examples, None if right != right else right / examples

    return evaluate


def _read_accuracy(net: Any, outputs: Any, targets: Any) -> float | None:
    """The share of the targets that are met; None where they are nothing to be met, as in a regression."""
    if not isinstance(targets, Tensor):
        return None
    try:
        return share_right(net.criterion_, outputs, targets.to(next(tensors(outputs)).device)).item()
    except Untrainable:
        return None
