"""ignite's engines: their bounds, and the rates that their updates really use."""

import sys
from importlib.util import find_spec, module_from_spec
from typing import Any

import pytest

pytest.importorskip("ignite")

import torch
from ignite.engine import Engine, Events, create_supervised_evaluator, create_supervised_trainer
from ignite.handlers.param_scheduler import LRScheduler
from ignite.metrics import Accuracy, Loss
from sklearn.datasets import load_digits
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, TensorDataset

import clr_tuner as ct
from clr_tuner.integrations.ignite import range_test
from tests.clr_tuner.integrations.page import python_block

DIGITS = load_digits()
INPUTS, TARGETS = torch.tensor(DIGITS.data / 16, dtype=torch.float32), torch.tensor(DIGITS.target)
SCHEDULE = ct.parse_schedule({"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1, "step_size": 5})
NUM_BATCHES = 22
TINY: dict[str, Any] = {"effort": "quick", "num_steps": 40}


class Setup:
    """What a user of ignite has, and the rate of each update."""

    def __init__(self, accumulated: int = 1) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9)
        self.rates: list[float] = []
        self.optimizer.register_step_pre_hook(
            lambda *_: self.rates.append(self.optimizer.param_groups[0]["lr"])
        )
        criterion = nn.CrossEntropyLoss()
        self.trainer = create_supervised_trainer(
            self.model, self.optimizer, criterion, gradient_accumulation_steps=accumulated
        )
        self.evaluator = create_supervised_evaluator(
            self.model, metrics={"loss": Loss(criterion), "accuracy": Accuracy()}
        )
        self.loader = DataLoader(TensorDataset(INPUTS[:1408], TARGETS[:1408]), batch_size=64, shuffle=True)
        self.held_out = DataLoader(TensorDataset(INPUTS[1408:], TARGETS[1408:]), batch_size=500)

    def test(self, **arguments: Any) -> Any:
        return range_test(self.trainer, self.model, self.optimizer, self.loader, **(TINY | arguments))


def planned(bounds: Any) -> list[float]:
    return [point.lr for sweep in bounds.sweeps for point in sweep.points]


def content(user: Setup) -> list[bytes]:
    states = [user.model.state_dict(), *user.optimizer.state_dict()["state"].values()]
    tensors = [value for state in states for value in state.values() if isinstance(value, torch.Tensor)]
    return [tensor.numpy().tobytes() for tensor in tensors]


def test_bounds_are_found_where_the_digits_are_learned() -> None:
    user = Setup()

    bounds = user.test(evaluator=user.evaluator, held_out=user.held_out, num_steps=None)

    assert bounds, bounds
    assert bounds.metric == "accuracy"
    assert 1e-3 < bounds.base_lr < bounds.max_lr < 2
    assert bounds.steps_per_epoch == NUM_BATCHES


@pytest.mark.parametrize("accumulated", [1, 4])
def test_every_update_of_a_range_test_has_the_planned_rate(accumulated: int) -> None:
    user = Setup(accumulated)

    bounds = user.test()

    assert user.rates == planned(bounds)
    assert len(user.rates) == 40
    assert bounds.steps_per_epoch == NUM_BATCHES / accumulated
    assert bounds.sweeps[0].points[0].loss == pytest.approx(2.3, rel=0.1)


def test_model_optimizer_and_engines_are_bit_for_bit_as_they_were() -> None:
    user = Setup()
    user.trainer.run(user.loader)
    before, state, drawn = content(user), dict(vars(user.trainer.state)), torch.get_rng_state()

    user.test(evaluator=user.evaluator, held_out=user.held_out)

    assert content(user) == before
    assert vars(user.trainer.state) == state
    assert user.evaluator.state.metrics == {}
    assert torch.equal(torch.get_rng_state(), drawn)
    assert user.optimizer.param_groups[0]["lr"] == 0.01


def test_handlers_rest_but_those_of_metrics() -> None:
    user = Setup()

    @user.trainer.on(Events.ITERATION_STARTED)
    @user.evaluator.on(Events.COMPLETED)
    def fail() -> None:
        raise AssertionError("a handler was called")

    bounds = user.test(evaluator=user.evaluator, held_out=user.held_out)

    assert bounds.sweeps[0].held_out[0].accuracy is not None


def test_a_loss_among_others_is_told_by_output_transform() -> None:
    user = Setup()
    update = user.trainer._process_function
    user.trainer = Engine(lambda engine, batch: {"batch": batch, "loss": update(engine, batch)})

    with pytest.raises(ValueError, match="answers dict: tell the loss in it by output_transform="):
        user.test()
    assert user.test(output_transform=lambda output: output["loss"]).sweeps[0].points


def test_a_sweep_ends_where_a_scaler_skips_every_update() -> None:
    user = Setup()
    user.trainer = Engine(lambda engine, batch: float("nan"))

    bounds = user.test()

    assert not bounds
    assert len(bounds.sweeps[0].points) == 1


def test_a_metric_of_another_name_is_asked_for() -> None:
    user = Setup()

    with pytest.raises(ValueError, match="no metric 'nll', only loss, accuracy"):
        user.test(evaluator=user.evaluator, held_out=user.held_out, loss="nll")


def test_an_evaluator_needs_its_data() -> None:
    user = Setup()

    with pytest.raises(ValueError, match="go together"):
        user.test(evaluator=user.evaluator)


def test_a_trainer_must_be_an_engine() -> None:
    user = Setup()

    with pytest.raises(ValueError, match="must be an ignite Engine"):
        range_test(user.model, user.model, user.optimizer, user.loader)


@pytest.mark.parametrize("accumulated", [1, 4])
def test_every_update_of_a_training_has_the_rate_of_the_schedule(accumulated: int) -> None:
    user = Setup(accumulated)

    ct.Scheduler(user.optimizer, SCHEDULE).follow()
    user.trainer.run(user.loader, max_epochs=2)

    assert user.rates == [SCHEDULE(step) for step in range(2 * NUM_BATCHES // accumulated)]


@pytest.mark.parametrize(
    ("event", "first"), [(Events.ITERATION_COMPLETED, [0, 0, 1]), (Events.ITERATION_STARTED, [0, 1, 2])]
)
def test_ignites_scheduler_uses_the_first_rate_twice_where_it_is_attached_to_the_end(
    event: Any, first: list[int]
) -> None:
    user = Setup()
    factor = ct.as_lambda_lr(SCHEDULE, initial_lr=0.01)

    user.trainer.add_event_handler(event, LRScheduler(LambdaLR(user.optimizer, factor)))
    user.trainer.run(user.loader)

    assert user.rates[:3] == pytest.approx([SCHEDULE(step) for step in first])


def test_the_example_of_the_page_trains_under_its_schedule() -> None:
    user = Setup()
    names: dict[str, Any] = {**vars(user), "max_epochs": 8}

    exec(python_block("pytorch-ignite"), names)  # as a reader would

    num_steps = 8 * NUM_BATCHES
    assert user.rates[-num_steps:] == [names["schedule"](step) for step in range(num_steps)]
    assert names["evaluator"].run(user.held_out).metrics["accuracy"] > 0.85


def test_where_it_is_missing_one_is_told_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ["ignite", *(name for name in sys.modules if name.startswith("ignite."))]:
        monkeypatch.setitem(sys.modules, name, None)
    spec = find_spec("clr_tuner.integrations.ignite")
    assert spec is not None
    assert spec.loader is not None

    with pytest.raises(ImportError, match="pip install 'pytorch-ignite>="):
        spec.loader.exec_module(module_from_spec(spec))
