"""Keras's models on the torch backend: their bounds, and the rates that their updates really use."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

import clr_tuner as ct
from clr.snippets import write_snippet
from clr_tuner.integrations.keras import SchedulerCallback, range_test
from tests.clr.training.loop_kit import Begun
from tests.clr_tuner.integrations.page import python_block

pytestmark = pytest.mark.filterwarnings(  # Keras's own, of its variables under NumPy 2
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)
DIGITS = load_digits()
X, Y = (DIGITS.data / 16).astype(np.float32), DIGITS.target.astype(np.int64)
TRAIN, VALID = (X[:1440], Y[:1440]), (X[1440:], Y[1440:])
SCHEDULE = ct.parse_schedule({"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1, "step_size": 5})


class Rated(keras.optimizers.SGD):
    """Keeps the rate that each update is made with, where the weights are changed."""

    def _backend_update_step(self, grads: Any, variables: Any, learning_rate: Any) -> None:
        self.__dict__.setdefault("used", []).append(float(keras.ops.convert_to_numpy(learning_rate)))
        super()._backend_update_step(grads, variables, learning_rate)


class Rising(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step: Any) -> Any:
        return 0.01 + 0.001 * keras.ops.cast(step, "float32")


def make_model(
    *, metrics: Any = ("accuracy",), loss: Any = None, num_outputs: int = 10, **optimizer: Any
) -> Any:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(num_outputs),
        ]
    )
    model.compile(
        optimizer=Rated(**({"learning_rate": 0.01, "momentum": 0.9} | optimizer)),
        loss=loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=list(metrics),
    )
    return model


def content(model: Any) -> list[bytes]:
    """Weights, seeds, iterations, momenta and the rate, byte for byte."""
    variables = [*model.variables, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(variable).tobytes() for variable in variables]


def planned(bounds: Any) -> Any:
    return pytest.approx([point.lr for sweep in bounds.sweeps for point in sweep.points], rel=1e-6)


def by_schedule(num_steps: int, first: int = 0) -> Any:
    return pytest.approx([SCHEDULE(step) for step in range(first, first + num_steps)], rel=1e-6)


def test_bounds_are_found_where_the_digits_are_learned() -> None:
    ends = {"start_lr": 0.01, "end_lr": 2.0}
    model = make_model()

    bounds = range_test(
        model, *TRAIN, batch_size=64, validation_data=VALID, num_steps=100, num_seeds=2, **ends
    )

    assert bounds, bounds
    assert bounds.metric == "accuracy"
    assert 1e-3 < bounds.base_lr < bounds.max_lr < 2
    assert bounds.steps_per_epoch == 23


def test_every_update_of_a_range_test_has_the_planned_rate() -> None:
    model = make_model()

    bounds = range_test(model, *TRAIN, batch_size=64, effort="quick", num_steps=40)

    assert model.optimizer.used == planned(bounds)


def test_with_accumulation_the_rate_rises_once_an_update() -> None:
    model = make_model(gradient_accumulation_steps=3)

    bounds = range_test(model, *TRAIN, batch_size=64, effort="quick", num_steps=40)

    assert model.optimizer.used == planned(bounds)
    assert len(model.optimizer.used) == 40


def test_a_point_has_the_loss_of_its_batch_and_no_mean_of_the_epoch() -> None:
    model = make_model()
    model.layers[2].rate = 0.0  # no dropout
    starts = range(0, 1440, 64)
    with torch.no_grad():
        losses = [float(model.loss(Y[at : at + 64], model(X[at : at + 64], training=True))) for at in starts]

    bounds = range_test(
        model, *TRAIN, batch_size=64, shuffle=False, start_lr=1e-12, end_lr=2e-12, num_seeds=1, num_steps=22
    )

    assert [point.loss for point in bounds.sweeps[0].points] == pytest.approx(losses[:22], rel=1e-4)
    assert np.std(losses) > 0.05


def test_a_trained_model_is_bit_for_bit_as_it_was() -> None:
    model = make_model()
    history = model.fit(*TRAIN, batch_size=64, verbose=0)
    before, modes = content(model), [module.training for module in model.modules()]
    drawn = torch.get_rng_state(), np.random.get_state()[1].copy()

    range_test(model, *TRAIN, batch_size=64, validation_data=VALID, effort="quick", num_steps=40)

    assert content(model) == before
    assert [module.training for module in model.modules()] == modes
    assert model.history is history
    assert not model.stop_training
    assert torch.equal(torch.get_rng_state(), drawn[0])
    assert (np.random.get_state()[1] == drawn[1]).all()


def test_a_model_that_was_never_trained_trains_as_if_nothing_had_been() -> None:
    untested, tested = make_model(), make_model()
    untested.evaluate(*VALID, verbose=0)  # builds the metrics, for which Keras draws numbers

    range_test(tested, *TRAIN, batch_size=64, effort="quick", num_steps=40)

    assert not hasattr(tested, "history")
    for model in (untested, tested):
        keras.utils.set_random_seed(1)
        model.fit(*TRAIN, batch_size=64, verbose=0)
    assert content(tested) == content(untested)


@pytest.mark.parametrize(
    ("given", "rates"),
    [(Rising(), [0.01, 0.011]), (lambda: 0.02, [0.02, 0.02])],
    ids=["LearningRateSchedule", "function"],
)
def test_an_optimizer_whose_rate_is_not_settable_is_tested_and_keeps_its_own(
    given: Any, rates: list[float]
) -> None:
    model = make_model(learning_rate=given)
    names = [variable.path for variable in model.optimizer.variables]

    bounds = range_test(model, *TRAIN, batch_size=64, effort="quick", num_steps=40)

    assert model.optimizer.used == planned(bounds)
    assert model.optimizer._learning_rate is given
    assert [variable.path for variable in model.optimizer.variables][: len(names)] == names
    model.optimizer.used.clear()
    model.fit(*TRAIN, batch_size=720, verbose=0)
    assert model.optimizer.used == pytest.approx(rates)


def test_a_scaled_loss_is_tested_by_the_rate_of_the_optimizer_inside() -> None:
    model = make_model()
    model.compile(optimizer=keras.optimizers.LossScaleOptimizer(model.optimizer), loss=model.loss)

    bounds = range_test(model, *TRAIN, batch_size=64, effort="quick", num_steps=40)

    assert model.optimizer.inner_optimizer.used == planned(bounds)


def test_a_regression_is_judged_by_its_held_out_loss() -> None:
    model = make_model(loss="mse", metrics=(), num_outputs=1)

    bounds = range_test(
        model, X, Y.astype(np.float32), batch_size=64, validation_data=(X[:100], Y[:100]), effort="quick"
    )

    assert bounds.sweeps[0].held_out[0].accuracy is None


def test_a_training_that_may_overfit_costs_a_sweep_more_and_has_rates_of_its_own() -> None:
    model = make_model(loss="mse", metrics=(), num_outputs=1)

    bounds = find_for_long(model)

    assert bounds.for_budget["policy"] == "one_cycle"
    assert bounds.for_budget["num_steps"] == 400
    assert [sweep.plan.phase for sweep in bounds.sweeps] == ["test", "probe"]
    assert model.optimizer.used == planned(bounds)


def test_a_test_that_was_left_in_its_probe_goes_on_there() -> None:
    model = make_model(loss="mse", metrics=(), num_outputs=1)
    whole = find_for_long(model)

    again = find_for_long(model, report_to=Begun(whole.sweeps[:1], steps_per_epoch=10))

    assert again.to_dict() == whole.to_dict()


def find_for_long(model: Any, **options: Any) -> Any:
    """The bounds of a regression for 40 epochs."""
    targets = Y.astype(np.float32)
    return range_test(
        model,
        X[:640],
        targets[:640],
        batch_size=64,
        validation_data=(X[640:740], targets[640:740]),
        schedule="one_cycle",
        num_epochs=40,
        start_lr=1e-3,
        end_lr=0.1,
        num_seeds=1,
        num_steps=60,
        **options,
    )


def test_a_model_is_as_it_was_also_after_an_error() -> None:
    model = make_model()
    model.fit(*TRAIN, batch_size=720, verbose=0)
    before, history = content(model), model.history

    def fail(data: Any) -> Any:
        raise RuntimeError("out of luck")

    model.test_step = fail
    with pytest.raises(RuntimeError, match="out of luck"):
        range_test(model, *TRAIN, validation_data=VALID)

    assert len(model.optimizer.used) == 2 + 1
    assert content(model) == before
    assert model.history is history


def test_loaders_serve_as_data() -> None:
    loader = DataLoader(TensorDataset(*map(torch.from_numpy, TRAIN)), batch_size=64, shuffle=True)
    held_out = DataLoader(TensorDataset(*map(torch.from_numpy, VALID)), batch_size=64)
    model = make_model()

    bounds = range_test(model, loader, shuffle=False, validation_data=held_out, effort="quick", num_steps=40)

    assert bounds.sweeps[0].held_out[0].accuracy is not None
    assert model.optimizer.used == planned(bounds)


def forever() -> Any:
    while True:
        yield X[:64], Y[:64]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": forever(), "y": None}, "read again and again"),
        ({"epochs": 3}, "leave epochs out"),
        ({"validation_split": 0.2}, "looks at validation_data"),
        ({"effort": "thorough"}, "use standard"),
        ({"schedule": "one_cycle"}, "needs num_epochs"),
    ],
)
def test_what_cannot_be_tested_is_refused_before_anything_is_trained(change: Any, message: str) -> None:
    model = make_model()

    with pytest.raises(ValueError, match=message):
        range_test(model, **({"x": X, "y": Y, "batch_size": 64} | change))

    assert not hasattr(model.optimizer, "used")


def test_a_model_without_weights_is_refused() -> None:
    model = keras.Sequential([keras.layers.Dense(10)])
    model.compile(optimizer="sgd", loss="mse")

    with pytest.raises(ValueError, match=r"model\.build"):
        range_test(model, X, Y)


def test_a_model_that_is_not_compiled_is_refused() -> None:
    with pytest.raises(ValueError, match="compile the model"):
        range_test(keras.Sequential([keras.Input((64,)), keras.layers.Dense(10)]), X, Y)


@pytest.mark.parametrize("per_update", [None, 2])
def test_every_update_of_a_training_has_the_rate_of_the_schedule(per_update: int | None) -> None:
    model = make_model(gradient_accumulation_steps=per_update)

    model.fit(*TRAIN, batch_size=60, epochs=2, verbose=0, callbacks=[SchedulerCallback(SCHEDULE)])

    assert model.optimizer.used == by_schedule(48 // (per_update or 1))


def test_kerass_own_schedules_count_batches_where_gradients_are_accumulated() -> None:
    model = make_model(learning_rate=Rising(), gradient_accumulation_steps=2)

    model.fit(*TRAIN, batch_size=360, verbose=0)

    assert model.optimizer.used == pytest.approx(
        [0.011, 0.013]
    )  # of batches 1 and 3; its updates are 0 and 1


def test_at_the_end_of_a_batch_the_rate_is_still_the_one_that_was_used() -> None:
    model, seen = make_model(), []
    after = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(float(model.optimizer.learning_rate))
    )

    model.fit(*TRAIN, batch_size=60, verbose=0, callbacks=[SchedulerCallback(SCHEDULE), after])

    assert seen == by_schedule(24)


def test_the_same_callback_goes_on_and_a_new_one_begins_anew() -> None:
    model, callback = make_model(), SchedulerCallback(SCHEDULE)

    for used in (callback, callback, SchedulerCallback(SCHEDULE), SchedulerCallback(SCHEDULE, first=0)):
        model.fit(*TRAIN, batch_size=720, verbose=0, callbacks=[used])

    rates = model.optimizer.used
    assert rates[:4] == by_schedule(4)
    assert rates[4:6] == by_schedule(2)
    assert rates[6:] == by_schedule(2, first=6)


def test_a_rate_that_cannot_be_set_is_said() -> None:
    model = make_model(learning_rate=Rising())

    with pytest.raises(ValueError, match="make it with a number"):
        model.fit(*TRAIN, verbose=0, callbacks=[SchedulerCallback(SCHEDULE)])


def test_the_example_of_the_page_trains_under_its_schedule() -> None:
    model = make_model()
    names: dict[str, Any] = {"model": model, "x": TRAIN[0], "y": TRAIN[1], "validation_data": VALID}

    exec(python_block("Keras"), names)  # as a reader would

    num_steps = 8 * 45
    assert model.optimizer.used[-num_steps:] == pytest.approx(
        [names["schedule"](step) for step in range(num_steps)], rel=1e-6
    )
    assert model.evaluate(*VALID, verbose=0, return_dict=True)["accuracy"] > 0.85


@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")  # fit's own default
@pytest.mark.parametrize("accumulated", [None, 3])
def test_the_code_to_paste_has_the_rate_of_each_update_with_accumulation_too(accumulated: int | None) -> None:
    model = make_model(gradient_accumulation_steps=accumulated)
    data = DataLoader(TensorDataset(*map(torch.tensor, TRAIN)), batch_size=32)

    exec(write_snippet(SCHEDULE, 20, framework="keras"), {"model": model, "train_data": data})

    num_steps = len(model.optimizer.used)
    assert 20 <= num_steps <= 20 + len(data)
    assert model.optimizer.used == by_schedule(num_steps)
