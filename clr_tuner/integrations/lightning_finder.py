"""The range test as a callback of Lightning's `fit`, which draws its batches and makes its updates."""

from dataclasses import replace
from math import ceil
from typing import Any

import torch
from torch import Tensor

from clr.bounds import Bounds, Inconclusive
from clr.range_test import RangeTestConfig
from clr.reporting import RangeTestReport
from clr.training.held_out import sample_looks
from clr.training.loop_checks import check_training
from clr.training.lr_finder import LRFinder
from clr_tuner.integrations.lightning_names import BaseFinetuning, Callback
from clr_tuner.integrations.lightning_passes import Epochs, as_passes, count_batches
from clr_tuner.integrations.lightning_twin import read_accumulation


class FinderInFit(Callback):  # type: ignore[misc]  # Lightning has no types here
    """Hands Lightning the finder's batches as its train loader, and tells the finder of each update."""

    def __init__(
        self,
        trainer: Any,
        config: RangeTestConfig,
        names: tuple[str, str | None],
        training: tuple[str | None, float | None],
        report_to: RangeTestReport | None,
    ) -> None:
        self.config, self.names, self.training, self.report_to = config, names, training, report_to
        self.accumulated = read_accumulation(trainer)
        self.limit: int | float = trainer.limit_train_batches
        self.freezing = [callback for callback in trainer.callbacks if isinstance(callback, BaseFinetuning)]
        self.loader: Any = None
        self.finder: LRFinder | None = None
        self.losses: list[Tensor] = []
        self.updated = False

    def take_train(self, loader: Any) -> "Epochs":
        """What Lightning gets for its train loader."""
        self.loader = as_passes(loader, self.limit)
        return Epochs(self, count_batches(self.loader))

    def take_val(self, loader: Any) -> Any:
        """What Lightning gets for its validation loader: as many of its examples as looks may take."""
        return sample_looks(loader, self.loader, self.accumulated, self.config)

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Freeze what the training freezes at first, and let the callbacks of the module rest."""
        for callback in self.freezing:
            callback.freeze_before_training(pl_module)
        trainer.callbacks = [self]

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin the test; the limits of the trainer were for `configure_optimizers`, which may ask for them."""
        trainer.fit_loop.max_epochs = trainer.fit_loop.epoch_loop.max_steps = -1
        trainer.strategy.lr_scheduler_configs = []
        optimizer = _read_optimizer(trainer)
        schedule, num_epochs = self.training
        check_training(schedule, num_epochs, self.loader, self.accumulated)
        self.trainer = trainer
        self.finder = LRFinder(
            pl_module,
            optimizer,
            evaluate=self.evaluate if trainer.enable_validation else None,
            scaler=getattr(trainer.precision_plugin, "scaler", None),
            config=self.config,
            schedule=schedule,
            num_epochs=num_epochs,
            report_to=self.report_to,
        )
        self.finder.__enter__()
        self.batches = self.finder.batches(self.loader)

    def on_before_optimizer_step(self, *_: Any) -> None:
        """Note an update, also one that a scaler skips."""
        self.updated = True

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
        """Note the loss of a batch, which Lightning has divided."""
        if outputs:
            self.losses.append(outputs["loss"] * self.accumulated)

    def tell(self) -> bool:
        """Tell the finder of the update of the last batch, if it made one; whether the sweep is over."""
        assert self.finder is not None
        if self.updated and self.losses:
            self.finder.step(torch.stack(self.losses).mean())
            self.losses.clear()
        self.updated = False
        return bool(self.finder.sweeps) and self.finder.sweeps[-1] is self.finder.current

    def evaluate(self) -> tuple[float, float | None]:
        """Lightning's validation loop, and what it logged."""
        self.trainer.validating = True
        try:
            metrics = {
                name: value
                for logged in self.trainer.fit_loop.epoch_loop.val_loop.run()
                for name, value in logged.items()
            }
        finally:
            self.trainer.training = True
        loss, accuracy = self.names
        for name in self.names:
            if name is not None and name not in metrics:
                raise ValueError(
                    f"validation_step logs no {name!r}, only {', '.join(metrics) or 'nothing'}: "
                    "name what it logs by loss= and accuracy="
                )
        share = metrics.get(accuracy or "val_acc")
        return float(metrics[loss]), None if share is None else float(share)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Restore the module where it was trained."""
        self.leave()

    def on_exception(self, *_: Any) -> None:
        """As `teardown`, which Lightning then leaves out."""
        self.leave()

    def leave(self) -> None:
        """Restore what was trained; once more is nothing."""
        if self.finder is not None:
            self.finder.__exit__(None, None, None)

    def bounds(self) -> Bounds | Inconclusive:
        """What was found, with the steps that Lightning makes of an epoch: it updates at its end in any case."""
        if self.finder is None:
            raise ValueError("the trainer trains nothing: max_epochs, max_steps or limit_train_batches is 0")
        found, length = self.finder.bounds(), count_batches(self.loader)
        if length is None or not isinstance(found, Bounds):
            return found
        found = replace(found, steps_per_epoch=float(ceil(length / self.accumulated)))
        schedule, num_epochs = self.training
        if num_epochs is None:
            return found
        return found.fit_budget(schedule or "triangular", num_epochs=num_epochs)


def _read_optimizer(trainer: Any) -> torch.optim.Optimizer:
    """The one optimizer, its groups swept at the ratio of their rates."""
    [optimizer] = trainer.optimizers
    if not optimizer.param_groups:
        raise ValueError("configure_optimizers returns no optimizer: there is no rate to test")
    if isinstance(optimizer, torch.optim.LBFGS):
        raise ValueError("LBFGS asks for the loss several times an update: write the loop around ct.LRFinder")
    rates = [float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups]
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group.setdefault("lr_scale", rate / (rates[0] or 1.0))
    return optimizer  # type: ignore[no-any-return]
