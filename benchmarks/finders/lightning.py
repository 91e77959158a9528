"""Lightning: `Tuner.lr_find`."""

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.tuner import Tuner, lr_finder
from torch import Tensor, nn, optim

from benchmarks.finders import Training
from clr.sweep import SweepPlan

lr_finder.tqdm = partial(lr_finder.tqdm, disable=True)  # no progress bar


class Module(LightningModule):
    """A training as Lightning takes it."""

    def __init__(self, training: Training) -> None:
        super().__init__()
        self.model: nn.Module = training.model
        self.loss: nn.Module = training.loss
        self._optimizer = training.optimizer

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        """The loss of a batch."""
        inputs, targets = batch
        loss: Tensor = self.loss(self.model(inputs), targets)
        return loss

    def configure_optimizers(self) -> optim.Optimizer:
        """The training's own."""
        return self._optimizer


def ready(training: Training, plan: SweepPlan) -> Callable[[], object]:
    """The sweep of a plan."""
    return _finding(
        training,
        min_lr=plan.start_lr,
        max_lr=plan.end_lr,
        num_training=plan.num_steps,
        early_stop_threshold=None,
    )


def suggestion(training: Training) -> float | None:
    """With its defaults: from 1e-8 to 1 in 100 steps."""
    found = _finding(training)()
    lr: float | None = found.suggestion()
    return lr


def _finding(training: Training, **options: Any) -> Callable[[], Any]:
    module, scratch = Module(training), tempfile.TemporaryDirectory()
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=scratch.name,
    )

    def find() -> Any:
        with scratch:
            return Tuner(trainer).lr_find(module, training.loader, update_attr=False, **options)

    return find


RULES: Mapping[str, Callable[[Training], float | None]] = {"suggestion": suggestion}
