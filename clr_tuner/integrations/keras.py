"""Range tests and schedules for Keras models on the torch backend: the updates are `model.fit`'s own.

Keras's optimizers are not torch's, so that the sweeps are planned and read here, and a callback takes them in `fit`.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import fmean
from typing import Any

import numpy as np
import torch

from clr.analysis import read_bounds
from clr.bounds import Bounds, Inconclusive
from clr.policies import Schedule, parse_schedule
from clr.probe import plan_probe
from clr.range_test import TEST_STEPS, RangeTestConfig, look_every, next_sweep
from clr.reporting import NoReport, RangeTestReport
from clr.sweep import Divergence, Effort, HeldOut, Point, Sweep, SweepPlan
from clr.training.looks import sample
from clr.training.loop_checks import check_training
from clr.training.snapshot import Snapshot

try:
    import keras
except ImportError as error:
    raise ImportError("clr_tuner.integrations.keras needs Keras: pip install 'keras>=3.15'") from error

ENDLESS = 10**9  # epochs
ACCURACIES = ("accuracy", "acc", "sparse_categorical_accuracy", "categorical_accuracy", "binary_accuracy")
OURS = ("callbacks", "epochs", "initial_epoch", "verbose")
AS_TORCH = {"Nadam": "NAdam"}  # where Keras spells an optimizer otherwise

Evaluate = Callable[[], tuple[float, float | None]]


def range_test(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    validation_data: Any = None,
    effort: Effort = "standard",
    seed: int = 0,
    num_seeds: int = 3,
    start_lr: float | None = None,
    end_lr: float | None = None,
    num_steps: int | None = None,
    schedule: str | None = None,
    num_epochs: float | None = None,
    report_to: RangeTestReport | None = None,
    **fit_arguments: Any,
) -> Bounds | Inconclusive:
    """The bounds for `model.fit(x, y, **fit_arguments)`; afterwards model, optimizer and generators are as they were.

    The model is built and compiled, and begins with the weights and the optimizer state that it has; what Keras builds
    with the first batch, as metrics, stays built. x, y and fit_arguments, as batch_size or class_weight, are those of
    `fit`: arrays, a DataLoader or a PyDataset, but no generator. validation_data: (x, y), (x, y, weights) or such a
    loader; of large arrays a sample is looked at. It is judged by accuracy where the model is compiled with
    metrics=["accuracy"], else by its loss; without it the training loss decides. The rest of the arguments are those
    of `clr_tuner.find_bounds`.
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
    _check(model, x, config, fit_arguments)
    evaluate = (
        None if validation_data is None else _make_evaluation(model, validation_data, config, fit_arguments)
    )
    optimizer, sweeps = _with_rate(model.optimizer), list[Sweep]()
    name = AS_TORCH.get(type(optimizer).__name__, type(optimizer).__name__)
    momentum = float(getattr(optimizer, "momentum", getattr(optimizer, "beta_1", 0.0)))

    def read() -> Bounds | Inconclusive:
        return read_bounds(sweeps, steps_per_epoch=steps_per_epoch, optimizer=name, momentum=momentum)

    def next_plan() -> SweepPlan | None:
        plan = next_sweep(config, sweeps)
        if plan is None and num_epochs is not None and isinstance(bounds := read(), Bounds):
            return plan_probe(bounds, schedule or "triangular", num_epochs=num_epochs)
        return plan

    training = None if num_epochs is None else {"policy": schedule or "triangular", "num_epochs": num_epochs}
    report: RangeTestReport = NoReport() if report_to is None else report_to
    sweeps.extend(report.begin(config, optimizer={"name": name, "momentum": momentum}, training=training))
    steps_per_epoch, plan = report.steps_per_epoch, None
    try:
        with _as_it_was(model) as before:
            while not report.cancelled and (plan := next_plan()) is not None:
                before.restore()
                _seed(plan.seed)
                sweeping = _Sweeping(plan, evaluate, schedule, num_epochs)
                report.begin_sweep(sweeping.sweep)
                model.fit(x, y, epochs=ENDLESS, verbose=0, callbacks=[sweeping], **fit_arguments)
                sweeps.append(sweeping.sweep)
                steps_per_epoch = sweeping.steps_per_epoch
                report.end_sweep(steps_per_epoch=steps_per_epoch)
    finally:
        report.end(whole=bool(sweeps) and plan is None)
    found = read()
    if num_epochs is None or not isinstance(found, Bounds):
        return found
    return found.fit_budget(schedule or "triangular", num_epochs=num_epochs)


class SchedulerCallback(keras.callbacks.Callback):  # type: ignore[misc]  # mypy sees no types of Keras
    """Gives every update of `fit` the rate of a schedule of ours, also with gradient accumulation.

    schedule: what `clr_tuner.parse_schedule` answers, or the dict that it takes. first: the optimizer's `iterations`
    where it begins; None: as they stand when the callback is first used. A second `fit` with the same callback goes on
    where the first one ended; for a model that was loaded to go on, say first=0.
    Raises ValueError for an optimizer that was made with a LearningRateSchedule: Keras lets nobody else set its rate.
    """

    def __init__(self, schedule: Schedule | Mapping[str, Any], *, first: int | None = None) -> None:
        super().__init__()
        self.schedule = parse_schedule(dict(schedule)) if isinstance(schedule, Mapping) else schedule
        self.first = first

    def on_train_begin(self, logs: Any = None) -> None:
        """See that the rate can be set."""
        if not isinstance(_with_rate(self.model.optimizer)._learning_rate, keras.Variable):
            raise ValueError(
                "the optimizer was made with a LearningRateSchedule, which sets the rate alone: make it with a number"
            )

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the rate of the update that this batch makes or adds to: afterwards it is still the one that was used."""
        iterations = int(self.model.optimizer.iterations)
        if self.first is None:
            self.first = iterations
        self.model.optimizer.learning_rate = self.schedule(iterations - self.first)


class _Sweeping(keras.callbacks.Callback):  # type: ignore[misc]  # as above
    """Takes one sweep, and ends a `fit` without end."""

    def __init__(
        self, plan: SweepPlan, evaluate: Evaluate | None, schedule: str | None, num_epochs: float | None
    ) -> None:
        super().__init__()
        self.sweep = Sweep(plan)
        self.steps_per_epoch: float | None = None
        self._evaluate, self._training = evaluate, (schedule, num_epochs)
        self._divergence, self._losses, self._batches = Divergence(), list[float](), 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Check what only `fit` knows: how long an epoch is."""
        optimizer, batches = self.model.optimizer, self.params["steps"]
        per_update = _with_rate(optimizer).gradient_accumulation_steps or 1
        self.steps_per_epoch = None if batches is None else batches / per_update
        check_training(*self._training, iter(()) if batches is None else range(batches), per_update)
        self._first = int(optimizer.iterations)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the planned rate."""
        self.model.reset_metrics()  # the loss that `fit` tells is a mean since then
        self.model.optimizer.learning_rate = self.sweep.plan.lr(len(self.sweep.points))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Where the optimizer made an update: take the loss of its batches, judge, look."""
        self._batches += 1
        self._losses.append(logs["loss"])
        plan, step = self.sweep.plan, len(self.sweep.points)
        if int(self.model.optimizer.iterations) - self._first == step:
            return
        lr, loss = plan.lr(step), fmean(self._losses)
        self._losses.clear()
        self.sweep.add(Point(step, lr, loss))
        diverged = self._divergence.judge(loss)
        if self._evaluate is not None and plan.looks_after(step) and not diverged:
            self.sweep.add(HeldOut.from_answer(step, lr, self._evaluate()))
            self.model.train()
        if diverged or step == plan.num_steps - 1:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Refuse data that have come to their end."""
        if not self._batches:
            raise ValueError("an epoch had no batches: hand over data that can be read again and again")
        self._batches = 0


def _check(model: Any, x: Any, config: RangeTestConfig, fit_arguments: Mapping[str, Any]) -> None:
    if keras.backend.backend() != "torch":
        raise ValueError(
            f"Keras runs on {keras.backend.backend()}: set KERAS_BACKEND=torch before it is imported"
        )
    if config.effort == "thorough":
        raise ValueError("effort thorough is not to be had here: use standard")
    if not model.built:
        raise ValueError(
            "the model has no weights yet: give it a keras.Input, or call model.build(input_shape)"
        )
    if getattr(model, "optimizer", None) is None:
        raise ValueError("compile the model first: the bounds are those of its optimizer and its loss")
    if isinstance(x, Iterator):
        raise ValueError("x is read again and again: hand over arrays, a DataLoader or a PyDataset")
    if names := [name for name in (*OURS, "validation_split") if name in fit_arguments]:
        raise ValueError(
            f"leave {', '.join(names)} out: the test decides how it trains, and looks at validation_data"
        )


@contextmanager
def _as_it_was(model: Any) -> Iterator[Snapshot]:
    """What restores variables, gradients and random generators; afterwards modes, history and the rate are back too.

    Where a LearningRateSchedule or a function gives the rate, it can be set inside all the same.
    """
    optimizer = _with_rate(model.optimizer)
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    before, given = Snapshot(), optimizer._learning_rate
    if not isinstance(given, keras.Variable):
        optimizer._learning_rate = keras.Variable(0.0, trainable=False, name="learning_rate")
    modes = [(module, module.training) for module in model.modules()]
    history, stopped = getattr(model, "history", None), model.stop_training
    for variable in {
        id(variable): variable for variable in (*model.variables, *model.optimizer.variables)
    }.values():
        before.add(variable.value)
    try:
        yield before
    finally:
        if optimizer._learning_rate is not given:
            optimizer.learning_rate = given
        before.restore()
        model.reset_metrics()
        model.stop_training = stopped
        if history is not None:
            model.history = history
        elif hasattr(model, "history"):
            del model.history
        for module, training in modes:
            module.training = training


def _with_rate(optimizer: Any) -> Any:
    """The optimizer that has the rate: a LossScaleOptimizer wraps one."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _seed(seed: int) -> None:
    """The generators that `fit` shuffles by."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _make_evaluation(
    model: Any, validation_data: Any, config: RangeTestConfig, fit_arguments: Mapping[str, Any]
) -> Evaluate:
    """(loss, accuracy) by `model.evaluate`; of large arrays of as many examples as looks may take."""
    batch_size = fit_arguments.get("batch_size") or 32  # as `fit` has it
    if isinstance(validation_data, tuple | list):
        validation_data = _sample(tuple(validation_data), batch_size, config)
        x, y, weights = keras.utils.unpack_x_y_sample_weight(validation_data)
    else:
        x, y, weights, batch_size = validation_data, None, None, None

    def evaluate() -> tuple[float, float | None]:
        logs = model.evaluate(x, y, batch_size, 0, weights, return_dict=True)
        return logs["loss"], next((logs[name] for name in ACCURACIES if name in logs), None)

    return evaluate


def _sample(data: tuple[Any, ...], batch_size: int, config: RangeTestConfig) -> tuple[Any, ...]:
    arrays = keras.tree.flatten(data)
    if not all(isinstance(array, np.ndarray | torch.Tensor) for array in arrays):
        return data
    every = look_every(config.num_steps or TEST_STEPS)
    chosen = sample(len(arrays[0]), batch_size=batch_size, eval_every=every)
    if chosen is None:
        return data
    few: tuple[Any, ...] = keras.tree.map_structure(lambda array: array[chosen.numpy()], data)
    return few
