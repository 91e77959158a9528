"""Range tests and schedules for Lightning: the test is a `fit` of another trainer, which updates as the user's does."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import ceil, inf
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from clr.bounds import Bounds, Inconclusive
from clr.policies import Schedule, parse_schedule
from clr.range_test import RangeTestConfig
from clr.reporting import RangeTestReport
from clr.scheduler import as_lambda_lr
from clr.sweep import Effort
from clr.training.snapshot import Snapshot
from clr_tuner.integrations.lightning_finder import FinderInFit
from clr_tuner.integrations.lightning_names import (
    PACKAGE,
    Callback,
    LightningDataModule,
    LightningModule,
    LRSchedulerConfig,
    SingleDeviceStrategy,
    Trainer,
    is_overridden,
)
from clr_tuner.integrations.lightning_twin import make_twin, quiet, read_accumulation


def range_test(
    trainer: Any,
    module: Any,
    train_dataloaders: Any = None,
    val_dataloaders: Any = None,
    datamodule: Any = None,
    *,
    loss: str = "val_loss",
    accuracy: str | None = None,
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
    """The bounds for `trainer.fit(module, ...)` with the same data; afterwards trainer, module and random generators
    are as they were.

    Updates are those of `fit`: precision, gradient accumulation and clipping, the module's hooks. Its schedulers, all
    callbacks and loggers rest, but for what BaseFinetuning freezes and GradientAccumulationScheduler does at first.
    Where there are validation batches and a `validation_step`, it is the held-out set, and loss and accuracy are the
    names under which it logs these (accuracy in [0, 1]; None: "val_acc", where that is logged); else the training loss
    decides.
    The rest of the arguments are those of `clr_tuner.find_bounds`.
    Raises ValueError for what cannot be tested: several devices, manual optimization (several optimizers
    need it), fast_dev_run.
    """
    _check(trainer, module)
    config = RangeTestConfig(
        seed=seed,
        num_seeds=num_seeds,
        start_lr=start_lr,
        end_lr=end_lr,
        num_steps=num_steps,
        effort=effort,
    )
    test = FinderInFit(trainer, config, (loss, accuracy), (schedule, num_epochs), report_to)
    if isinstance(train_dataloaders, LightningDataModule):
        datamodule, train_dataloaders = train_dataloaders, None
    with _as_they_were(module, datamodule):
        data = module if datamodule is None else datamodule
        if train_dataloaders is None:
            _shadow(data, "train_dataloader", test.take_train)
        else:
            train_dataloaders = test.take_train(train_dataloaders)
        if val_dataloaders is None:
            _shadow(data, "val_dataloader", test.take_val)
        else:
            val_dataloaders = test.take_val(val_dataloaders)
        try:
            with quiet():
                make_twin(trainer, test).fit(module, train_dataloaders, val_dataloaders, datamodule)
        finally:
            test.leave()
    return test.bounds()


def with_schedule(
    optimizer: torch.optim.Optimizer, schedule: Schedule | Mapping[str, Any] | None
) -> dict[str, Any]:
    """What `configure_optimizers` returns for every update to have the schedule's rate, also with accumulation.

    Param groups keep the ratio of their rates; the schedule's is that of the first. None: no schedule, for before the
    range test. Raises ValueError where the first rate is 0.
    """
    if schedule is None:
        return {"optimizer": optimizer}
    factor = as_lambda_lr(schedule, initial_lr=float(optimizer.param_groups[0]["lr"]))
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor), "interval": "step"},
    }


class RangeTestCallback(Callback):  # type: ignore[misc]  # Lightning has no types here
    """Runs a range test as `fit` begins, and then trains under a schedule within its bounds.

        trainer = Trainer(max_epochs=8, callbacks=[RangeTestCallback("one_cycle")])
        trainer.fit(module, datamodule=data)

    policy, and `parameters` of its own: as `Bounds.schedule` has them; the budget is the trainer's. test: loss,
    accuracy, effort, seed, num_seeds, start_lr, end_lr, num_steps and report_to as for `range_test`, which finds the
    same. `bounds` is what was found. A fit that goes on from a checkpoint goes on under its schedule, without another
    test. `fit` raises ValueError where there are no bounds, where the module has a scheduler, and for what cannot be
    tested.
    """

    def __init__(
        self, policy: str = "one_cycle", *, parameters: Mapping[str, Any] | None = None, **test: Any
    ) -> None:
        self._policy, self._parameters, self._test = policy, dict(parameters or {}), test
        self._found: dict[str, Any] = {}  # as a checkpoint keeps it
        self._goes_on = False
        self.bounds: Bounds | Inconclusive | None = None

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Find the bounds, and set the schedule."""
        if trainer.lr_scheduler_configs:
            raise ValueError(
                "configure_optimizers brings a scheduler: leave it out, the callback has its own"
            )
        schedule = (
            parse_schedule(self._found["schedule"]) if self._goes_on else self._find(trainer, pl_module)
        )
        self._goes_on = False
        [optimizer] = trainer.optimizers
        config = with_schedule(optimizer, schedule)["lr_scheduler"]
        trainer.strategy.lr_scheduler_configs = [LRSchedulerConfig(**config)]

    def _find(self, trainer: Any, module: Any) -> Schedule:
        num_steps = trainer.estimated_stepping_batches
        if num_steps == inf:
            raise ValueError("the training has no end to plan for: give the Trainer max_steps or max_epochs")
        budget: dict[str, Any] = {}
        if (num_batches := trainer.num_training_batches) != inf:
            epoch = ceil(num_batches / read_accumulation(trainer))
            budget = {"schedule": self._policy, "num_epochs": num_steps / epoch}
        self.bounds = range_test(trainer, module, **_find_data(trainer), **budget, **self._test)
        schedule = self.bounds.schedule(self._policy, num_steps=num_steps, **self._parameters)
        self._found = {"bounds": self.bounds.to_dict(), "schedule": schedule.model_dump(mode="json")}
        return schedule

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return self._found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on under the schedule of a checkpoint."""
        self._found, self._goes_on = state_dict, bool(state_dict)
        self.bounds = Bounds.from_dict(state_dict["bounds"]) if state_dict else None


def _find_data(trainer: Any) -> dict[str, Any]:
    """What this fit was given: loaders, or a datamodule."""
    loops = {"train_dataloaders": trainer.fit_loop, "val_dataloaders": trainer.fit_loop.epoch_loop.val_loop}
    sources = {name: loop._data_source for name, loop in loops.items()}
    given = {name: source.instance for name, source in sources.items() if not source.is_module()}
    return given | {"datamodule": trainer.datamodule}


def _shadow(data: Any, name: str, take: Any) -> None:
    """Have Lightning get what `take` makes of the loader that this method answers."""
    if is_overridden(name, data):
        make = getattr(data, name)
        vars(data)[name] = lambda: take(make())


@contextmanager
def _as_they_were(module: Any, datamodule: Any) -> Iterator[None]:
    """Everything but the numbers of the parameters, which the finder restores where Lightning trains them."""
    before = Snapshot(module, without=(nn.Parameter,))
    parameters = [(each, each.data, each.grad, each.requires_grad) for each in module.parameters()]
    attributes = {} if datamodule is None else dict(vars(datamodule))
    try:
        yield
    finally:
        before.restore()
        for parameter, memory, gradient, wants_gradient in parameters:
            parameter.data, parameter.grad = memory, gradient
            parameter.requires_grad_(wants_gradient)
        if datamodule is not None:
            vars(datamodule).clear()
            vars(datamodule).update(attributes)


def _check(trainer: Any, module: Any) -> None:
    for value, kind in ((trainer, Trainer), (module, LightningModule)):
        if not isinstance(value, kind):
            raise ValueError(
                f"range_test(trainer, module, ...) takes a {kind.__name__} of {PACKAGE}, "
                f"not {type(value).__name__} of {type(value).__module__}"
            )
    if trainer.fast_dev_run:
        raise ValueError("fast_dev_run trains a few batches only: run the range test without it")
    if not isinstance(trainer.strategy, SingleDeviceStrategy):
        raise ValueError(
            f"{type(trainer.strategy).__name__} trains on several devices; test on one: Trainer(devices=1, "
            "accumulate_grad_batches=the number of devices) makes updates of as many examples"
        )
    if not module.automatic_optimization:
        raise ValueError(
            "with manual optimization, which several optimizers need, training_step makes the updates itself: "
            "write its loop around ct.LRFinder"
        )
