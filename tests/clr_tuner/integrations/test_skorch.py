"""skorch's nets: their bounds, and the rates that their updates really use."""

import math
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from sklearn.datasets import load_digits
from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import Checkpoint, Freezer, GradientNormClipping, LoadInitState, LRScheduler
from skorch.hf import AccelerateMixin
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

import clr_tuner as ct
from clr_tuner.integrations.skorch import SchedulerCallback, range_test
from tests.clr_tuner.integrations.page import python_block

DIGITS = load_digits()
X, Y = (DIGITS.data / 16).astype(np.float32), DIGITS.target.astype(np.int64)
SCHEDULE = ct.parse_schedule({"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1, "step_size": 5})


class Digits(nn.Module):
    """Logits of the ten digits, or one number."""

    def __init__(self, num_outputs: int = 10, dropout: float = 0.1) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(dropout))
        self.head = nn.Linear(32, num_outputs)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.hidden(inputs))


class Rated(torch.optim.SGD):
    """Keeps the rate that each update used, over all of its instances."""

    used: ClassVar[list[float]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register_step_pre_hook(lambda *_: Rated.used.append(self.param_groups[0]["lr"]))


class Accumulating(NeuralNetClassifier):
    """As skorch's documentation has it: an update every second batch of an epoch."""

    def get_loss(self, *args: Any, training: bool = False, **kwargs: Any) -> torch.Tensor:
        loss = super().get_loss(*args, training=training, **kwargs)
        return loss / 2 if training else loss

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        step = self.train_step_single(batch, **fit_params)
        if len(self.history[-1, "batches"]) % 2 == 0:
            self.optimizer_.step()
            self.optimizer_.zero_grad()
        return step


def make_net(kind: Any = NeuralNetClassifier, **changes: Any) -> Any:
    Rated.used = []
    parameters: dict[str, Any] = {
        "module": Digits,
        "criterion": nn.CrossEntropyLoss,
        "optimizer": Rated,
        "optimizer__momentum": 0.9,
        "lr": 0.01,
        "batch_size": 64,
        "max_epochs": 2,
        "iterator_train__shuffle": True,
        "verbose": 0,
    }
    return kind(**(parameters | changes))


def content(net: Any) -> list[bytes]:
    """Weights, buffers and what the optimizer keeps, byte for byte."""
    states = [net.module_.state_dict(), *net.optimizer_.state_dict()["state"].values()]
    tensors = [value for state in states for value in state.values() if isinstance(value, torch.Tensor)]
    return [tensor.numpy().tobytes() for tensor in tensors]


def planned(bounds: Any) -> list[float]:
    return [point.lr for sweep in bounds.sweeps for point in sweep.points]


def test_bounds_are_found_where_the_digits_are_learned() -> None:
    bounds = range_test(make_net(), X, Y, start_lr=0.01, end_lr=2.0, num_steps=100, num_seeds=2)

    assert bounds, bounds
    assert bounds.metric == "accuracy"
    assert 1e-3 < bounds.base_lr < bounds.max_lr < 2
    assert bounds.steps_per_epoch == len(range(0, 1437, 64))


def test_every_update_of_a_range_test_has_the_planned_rate() -> None:
    bounds = range_test(make_net(), X, Y, effort="quick", num_steps=40)

    assert Rated.used == planned(bounds)


def test_with_accumulation_the_rate_rises_once_an_update_and_the_loss_is_of_all_its_batches() -> None:
    bounds = range_test(make_net(Accumulating), X, Y, effort="quick", num_steps=40)

    assert Rated.used == planned(bounds)
    assert len(Rated.used) == 40
    assert bounds.sweeps[0].points[0].loss == pytest.approx(np.log(10) / 2, rel=0.2)


def test_a_net_that_was_never_fitted_stays_so_and_fits_as_if_nothing_had_been() -> None:
    torch.manual_seed(3)
    untested = make_net().fit(X, Y)
    torch.manual_seed(3)
    net = make_net()

    range_test(net, X, Y, effort="quick", num_steps=40)

    assert not net.initialized_
    assert content(net.fit(X, Y)) == content(untested)


def test_a_fitted_net_is_bit_for_bit_as_it_was() -> None:
    net = make_net(warm_start=True, callbacks=[GradientNormClipping(1.0)]).fit(X, Y)
    before, attributes, history = content(net), dict(vars(net)), list(net.history)

    range_test(net, X, Y, effort="quick", num_steps=40)

    assert content(net) == before
    assert vars(net) == attributes
    assert net.history == history
    assert not net.optimizer_._optimizer_step_post_hooks


def test_a_warm_start_is_tested_from_the_weights_that_it_has() -> None:
    net = make_net(warm_start=True, max_epochs=20, lr=0.1).fit(X, Y)

    bounds = range_test(net, X, Y, effort="quick", num_steps=40)

    assert bounds.sweeps[0].points[0].loss < 0.3


def test_what_the_net_freezes_is_frozen_in_the_test_and_only_there() -> None:
    module = Digits()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    moved = set()

    class Watching(NeuralNetClassifier):
        def train_step(self, batch: Any, **fit_params: Any) -> Any:
            step = super().train_step(batch, **fit_params)
            moved.update(name for name, value in module.named_parameters() if (value != before[name]).any())
            return step

    range_test(
        make_net(Watching, module=module, callbacks=[Freezer("hidden*")]), X, Y, effort="quick", num_steps=12
    )

    assert moved == {"head.weight", "head.bias"}
    assert all(parameter.requires_grad for parameter in module.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def test_clipping_of_the_net_holds_in_the_test() -> None:
    norms = []

    class Watching(NeuralNetClassifier):
        def train_step(self, batch: Any, **fit_params: Any) -> Any:
            step = super().train_step(batch, **fit_params)
            norms.append(nn.utils.get_total_norm([p.grad for p in self.module_.parameters()]).item())
            return step

    range_test(make_net(Watching, callbacks=[GradientNormClipping(0.01)]), X, Y, effort="quick", num_steps=12)

    assert max(norms) <= 0.0101


def test_a_regression_without_held_out_data_is_judged_by_its_training_loss() -> None:
    net = make_net(NeuralNetRegressor, module__num_outputs=1, criterion=nn.MSELoss, train_split=None)

    bounds = range_test(net, X, Y.astype(np.float32)[:, None], effort="quick")

    assert not bounds.sweeps[0].held_out


def test_a_schedule_with_its_length_has_rates_of_its_own() -> None:
    bounds = range_test(make_net(), X, Y, effort="quick", schedule="one_cycle", num_epochs=4)

    assert bounds.for_budget["policy"] == "one_cycle"
    assert bounds.for_budget["num_steps"] == 4 * 23


def test_a_net_is_as_it_was_also_after_an_error() -> None:
    class Failing(NeuralNetClassifier):
        def validation_step(self, batch: Any, **fit_params: Any) -> Any:
            raise RuntimeError("out of luck")

    net = make_net(Failing)
    attributes, drawn = dict(vars(net)), torch.get_rng_state()

    with pytest.raises(RuntimeError, match="out of luck"):
        range_test(net, X, Y)

    assert vars(net) == attributes
    assert torch.equal(torch.get_rng_state(), drawn)


def test_a_schedule_has_no_time_without_a_budget() -> None:
    with pytest.raises(ValueError, match="needs num_epochs"):
        range_test(make_net(), X, Y, schedule="one_cycle")


@pytest.mark.parametrize(("kind", "per_update"), [(NeuralNetClassifier, 1), (Accumulating, 2)])
def test_every_update_of_a_training_has_the_rate_of_the_schedule(kind: Any, per_update: int) -> None:
    net = make_net(kind, callbacks=[SchedulerCallback(SCHEDULE)]).fit(X, Y)

    assert Rated.used == [SCHEDULE(step) for step in range(2 * (23 // per_update))]
    assert net.history[0, "batches", 0, "event_lr"] == SCHEDULE(0)


class Accelerated(AccelerateMixin, NeuralNetClassifier):
    """As skorch's documentation has it."""


@pytest.mark.parametrize("per_update", [1, 2])
def test_a_net_with_accelerate_keeps_the_plan_in_test_and_training(per_update: int) -> None:
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=per_update)
    net = make_net(Accelerated, accelerator=accelerator)

    bounds = range_test(net, X, Y, effort="quick", num_steps=20)
    assert Rated.used == planned(bounds)
    Rated.used = []
    net.set_params(callbacks=[SchedulerCallback(SCHEDULE)]).fit(X, Y)

    assert Rated.used == [SCHEDULE(step) for step in range(2 * math.ceil(23 / per_update))]


def test_groups_with_a_scale_of_their_own_keep_it_in_test_and_training() -> None:
    groups = [("hidden*", {"lr_scale": 0.1})]
    net = make_net(optimizer__param_groups=groups, callbacks=[SchedulerCallback(SCHEDULE)])

    bounds = range_test(net, X, Y, effort="quick", num_steps=20)
    net.fit(X, Y)

    assert not [warning for warning in bounds.warnings if "lr_scale" in warning]
    of_head = [*planned(bounds), *(SCHEDULE(step) for step in range(2 * 23))]
    assert Rated.used == pytest.approx([0.1 * rate for rate in of_head])
    hidden, head = (group["lr"] for group in net.optimizer_.param_groups)
    assert hidden == pytest.approx(0.1 * head)


def test_a_training_goes_on_where_the_last_one_ended() -> None:
    net = make_net(callbacks=[SchedulerCallback(SCHEDULE)]).fit(X, Y)

    net.partial_fit(X, Y)

    assert Rated.used == [SCHEDULE(step) for step in range(4 * 23)]


def test_a_training_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    def make_checkpoint() -> Checkpoint:
        return Checkpoint(monitor=None, dirname=str(tmp_path))

    make_net(callbacks=[SchedulerCallback(SCHEDULE), make_checkpoint()]).fit(X, Y)
    net = make_net(callbacks=[LoadInitState(make_checkpoint()), SchedulerCallback(SCHEDULE)])

    net.fit(X, Y)

    assert Rated.used == [SCHEDULE(step) for step in range(2 * 23, 4 * 23)]


def test_data_that_fit_refuses_are_refused() -> None:
    with pytest.raises(ValueError, match="No y-values are given"):
        range_test(make_net(), X)


def test_a_second_fit_begins_the_schedule_anew() -> None:
    net = make_net(callbacks=[SchedulerCallback(SCHEDULE)]).fit(X, Y)

    Rated.used = []
    net.fit(X, Y)

    assert Rated.used == [SCHEDULE(step) for step in range(2 * 23)]


def test_two_callbacks_that_set_the_rate_are_refused() -> None:
    net = make_net(callbacks=[SchedulerCallback(SCHEDULE), LRScheduler("StepLR", step_size=3)])

    with pytest.raises(ValueError, match="remove it from callbacks"):
        net.fit(X, Y)


@pytest.mark.parametrize("step_every", ["batch", "epoch"])
def test_skorchs_own_scheduler_plays_it_by_batch_but_by_default_by_epoch(step_every: str) -> None:
    factor = ct.as_lambda_lr(SCHEDULE, initial_lr=0.01)
    net = make_net(callbacks=[LRScheduler(LambdaLR, lr_lambda=factor, step_every=step_every)]).fit(X, Y)

    steps = range(46) if step_every == "batch" else [epoch for epoch in range(2) for _ in range(23)]
    assert Rated.used == pytest.approx([SCHEDULE(step) for step in steps])
    assert LRScheduler().step_every == "epoch"
    assert net.lr == 0.01


def test_the_example_of_the_page_trains_under_its_schedule() -> None:
    net = make_net(max_epochs=8)
    names: dict[str, Any] = {"net": net, "X": X, "y": Y}

    exec(python_block("skorch"), names)  # as a reader would

    assert Rated.used[-8 * 23 :] == [names["schedule"](step) for step in range(8 * 23)]
    assert net.history[-1, "valid_acc"] > 0.85
