"""Range tests and schedules for fastai's Learner: the updates are those of `fit`, with its callbacks."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from clr.analysis import read_bounds
from clr.bounds import Bounds, Inconclusive
from clr.policies import Schedule
from clr.problem import Untrainable
from clr.range_test import TEST_STEPS, RangeTestConfig, look_every
from clr.reporting import RangeTestReport
from clr.scheduler import Scheduler
from clr.sweep import Effort, Sweep
from clr.training.accuracy import share_right
from clr.training.looks import sample
from clr.training.lr_finder import Evaluate, LRFinder
from clr.training.nested import num_examples

try:
    from fastai.callback.core import Callback, CancelFitException, CancelValidException
    from fastai.callback.progress import ProgressCallback
    from fastai.callback.schedule import ParamScheduler
    from fastai.learner import Recorder
    from fastai.optimizer import OptimWrapper
except ImportError as error:
    raise ImportError("clr_tuner.integrations.fastai needs fastai: pip install 'fastai>=2.8'") from error


def range_test(
    learn: Any,
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
) -> Bounds | Inconclusive:
    """The bounds for `learn.fit`; afterwards learner, model, optimizer and random generators are as they were.

    Updates are those of `fit` with the learner's callbacks, mixed precision and accumulation included; those that rest
    under `lr_find` rest here too. The validation set is what is held out, without one the training loss decides. What
    is frozen is not trained. Groups with rates of their own (`learn.lr` a slice) keep their ratio to the last, whose
    the bounds are. The arguments are those of `clr_tuner.find_bounds`.
    Raises ValueError for what cannot be tested.
    """
    config = RangeTestConfig(
        seed=seed,
        num_seeds=num_seeds,
        start_lr=start_lr,
        end_lr=end_lr,
        num_steps=num_steps,
        effort=effort,
    )
    with _as_it_was(learn), _opened(learn.opt) as optimizer:
        loader = learn.dls.train
        finder = LRFinder(
            learn.model,
            optimizer,
            evaluate=_make_evaluation(learn, config) if len(learn.dls.loaders) > 1 else None,
            config=config,
            on_sweep=lambda: setattr(loader, "rng", random.Random(torch.initial_seed())),
            schedule=schedule,
            num_epochs=num_epochs,
            report_to=report_to,
        )
        with finder:
            learn.fit(1, cbs=_Test(finder, loader))
        return finder.bounds()


def max_lr(lrs: Any, losses: Any, num_it: int) -> tuple[float, tuple[float, float]]:
    """For `learn.lr_find(suggest_funcs=max_lr)`: the max_lr of its one sweep; NaN, with a warning, where there is
    none."""
    found = read_bounds([Sweep.from_results(lrs.tolist(), losses.tolist())])
    if not isinstance(found, Bounds):
        warnings.warn(str(found), stacklevel=2)
        return float("nan"), (float("nan"), float("nan"))
    nearest = int((lrs - found.max_lr).abs().argmin())
    return found.max_lr, (found.max_lr, float(losses[nearest]))


class SchedulerCallback(Callback):  # type: ignore[misc]  # fastai has no types
    """Gives every update of `learn.fit(num_epochs, cbs=...)` the rate of a schedule of ours, also with accumulation.

    Each `fit` begins it anew. Groups with rates of their own (`fit(lr=slice(...))`) keep their ratio to the last.
    `before_fit` raises ValueError where another callback sets the rate, as that of `fit_one_cycle` does.
    """

    order, run_valid = ParamScheduler.order, False

    def __init__(self, schedule: Schedule | Mapping[str, Any]) -> None:
        self.schedule = schedule

    def before_fit(self) -> None:
        """Set the rate of the first update."""
        if any(isinstance(callback, ParamScheduler) for callback in self.learn.cbs):
            raise ValueError(
                "a ParamScheduler sets the rate as well: use learn.fit, without fit_one_cycle and the like"
            )
        self.opened = _opened(self.learn.opt)
        self.rates = Scheduler(self.opened.__enter__(), self.schedule)
        self.skipped = self.stepped = False

    def before_batch(self) -> None:
        """Set the rate of the next update; not right after the last one, whose rate the recorder still asks for."""
        if self.stepped:
            self.rates.step()
        self.stepped = False

    def after_cancel_step(self) -> None:
        """Note an update that a scaler skips."""
        self.skipped = True

    def after_step(self) -> None:
        """Note an update."""
        self.stepped, self.skipped = not self.skipped, False

    def after_fit(self) -> None:
        """Leave the optimizer alone."""
        self.opened.__exit__(None, None, None)


class _Test(Callback):  # type: ignore[misc]  # as above
    """Has a learner train on the finder's batches, and tells the finder of each update."""

    order, run_valid = ParamScheduler.order, False
    name = "lr_finder"  # by which others know that they should rest

    def __init__(self, finder: LRFinder, loader: Any) -> None:
        self.finder, self.loader = finder, loader
        self.batch_losses: list[torch.Tensor] = []
        self.updated = False

    def tell(self) -> None:
        """Tell the finder of the update of the last batch, if it made one."""
        if self.updated:
            self.finder.step(torch.stack(self.batch_losses).mean())
            self.batch_losses.clear()
        self.updated = False

    def before_train(self) -> None:
        """Take the place of the train loader."""
        self.learn.dl = _Batches(self)

    def after_step(self) -> None:
        """Note an update, also one that a scaler skips."""
        self.updated = True

    def after_batch(self) -> None:
        """Note the loss of a batch."""
        self.batch_losses.append(self.learn.loss.detach())

    def before_validate(self) -> None:
        """Looks are the finder's."""
        raise CancelValidException


class _Batches:
    """The finder's, in place of the train loader; the learner ends with them."""

    def __init__(self, test: _Test) -> None:
        self.test = test

    def __len__(self) -> int:
        return len(self.test.loader)

    def __iter__(self) -> Iterator[Any]:
        for batch in self.test.finder.batches(self.test.loader):
            yield batch
            self.test.tell()
        raise CancelFitException


class _Groups:
    """An optimizer of fastai's as one of torch's: with groups that can be written to."""

    def __init__(self, opt: Any) -> None:
        self.param_groups, self.state, self.step = _list_groups(opt), opt.state, opt.step
        for group in self.param_groups:
            group["momentum"] = group.get("mom", 0.0)


@contextmanager
def _opened(opt: Any) -> Iterator[Any]:
    """The optimizer as ours take it; groups keep the ratio of their rates to the last's inside."""
    optimizer = opt.opt if isinstance(opt, OptimWrapper) else _Groups(opt)
    main = float(optimizer.param_groups[-1]["lr"]) or 1.0
    for group in optimizer.param_groups:
        group["lr_scale"] = float(group["lr"]) / main
    try:
        yield optimizer
    finally:
        for group in optimizer.param_groups:
            group.pop("lr_scale", None)
            if isinstance(optimizer, _Groups):
                group.pop("momentum", None)


@contextmanager
def _as_it_was(learn: Any) -> Iterator[None]:
    """A learner that is about to fit, without bars and records; afterwards as it was."""
    changed = [learn, *learn.cbs, learn.dls.train, *_list_groups(learn.opt)]
    attributes = [dict(_hold(value)) for value in changed]
    device = next(learn.model.parameters()).device
    try:
        learn.cbs = learn.cbs.filter(lambda cb: not isinstance(cb, ProgressCallback | Recorder))
        learn.dls.train.rng = random.Random(0)  # another one: each pass draws from it
        if learn.opt is None:
            learn.create_opt()
        learn.opt.set_hypers(lr=learn.lr)
        learn.model.to(getattr(learn.dls, "device", device))
        yield
    finally:
        learn.model.to(device)
        for value, own in zip(changed, attributes, strict=True):
            _hold(value).clear()
            _hold(value).update(own)


def _hold(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else vars(value)


def _list_groups(opt: Any) -> list[dict[str, Any]]:
    """Those that can be written to."""
    if opt is None:
        return []
    return list(opt.opt.param_groups if isinstance(opt, OptimWrapper) else opt.hypers)


def _make_evaluation(learn: Any, config: RangeTestConfig) -> Evaluate:
    """(loss, accuracy) over the validation set, or over as many of its examples as looks may take."""
    train, valid = learn.dls.train, learn.dls.valid
    every = look_every(config.num_steps or TEST_STEPS)
    chosen = None if valid.n is None else sample(valid.n, batch_size=train.bs or 1, eval_every=every)
    few = valid if chosen is None else valid.new(get_idxs=chosen.tolist, shuffle=False, drop_last=False)

    def evaluate() -> tuple[float, float | None]:
        examples, loss, right = 0, 0.0, 0.0
        for batch in few:
            learn._split(learn._set_device(batch))
            many, outputs = num_examples(learn.xb), learn.model(*learn.xb)
            examples, loss = examples + many, loss + many * float(learn.loss_func(outputs, *learn.yb))
            share = _read_accuracy(learn.loss_func, outputs, learn.yb)
            right += many * (float("nan") if share is None else share)
        return loss / examples, None if right != right else right / examples

    return evaluate


def _read_accuracy(loss_func: Callable[..., Any], outputs: Any, targets: Any) -> float | None:
    """The share of the targets that are met; None where they are nothing to be met, as in a regression."""
    try:
        return share_right(getattr(loss_func, "func", loss_func), outputs, *targets).item()  # type: ignore[arg-type]
    except (Untrainable, TypeError):
        return None
