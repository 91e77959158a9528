"""A second trainer that updates as a user's does, for `fit` to run a range test in."""

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clr_tuner.integrations.lightning_names import (
    PACKAGE,
    DummyLogger,
    GradientAccumulationScheduler,
    SingleDeviceStrategy,
    Trainer,
)

NEVER = 10**9  # epochs: looks are the finder's


def read_accumulation(trainer: Any) -> int:
    """The batches of an update in the first epoch."""
    for callback in trainer.callbacks:
        if isinstance(callback, GradientAccumulationScheduler):
            return int(callback.get_accumulate_grad_batches(0))
    return int(trainer.accumulate_grad_batches)


def make_twin(trainer: Any, callback: Any) -> Any:
    """A trainer with this one callback that updates as the other does, on its device, and leaves nothing behind."""
    return Trainer(
        strategy=SingleDeviceStrategy(
            device=trainer.strategy.root_device,
            accelerator=trainer.accelerator,
            precision_plugin=copy.deepcopy(trainer.precision_plugin),
        ),
        callbacks=[callback],
        max_epochs=trainer.max_epochs,
        max_steps=trainer.max_steps,
        limit_val_batches=trainer.limit_val_batches,
        check_val_every_n_epoch=NEVER,
        num_sanity_val_steps=0,
        accumulate_grad_batches=read_accumulation(trainer),
        gradient_clip_val=trainer.gradient_clip_val,
        gradient_clip_algorithm=trainer.gradient_clip_algorithm,
        inference_mode=False,
        logger=DummyLogger() if trainer.loggers else False,  # a module may write to it
        log_every_n_steps=1,  # Lightning warns of more than an epoch has
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Without what a trainer tells of itself."""
    logger = logging.getLogger(f"{PACKAGE}.utilities.rank_zero")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
