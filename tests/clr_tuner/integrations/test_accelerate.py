"""What an Accelerator prepared: its bounds, and the rates that its updates really use."""

import sys
from importlib import import_module
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from sklearn.datasets import load_digits
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, TensorDataset

import clr_tuner as ct
from clr.sweep import Sweep
from clr_tuner.integrations.accelerate import range_test
from tests.clr_tuner.integrations.page import python_block

DIGITS = load_digits()
INPUTS, TARGETS = torch.tensor(DIGITS.data, dtype=torch.float32) / 16, torch.tensor(DIGITS.target)
SCHEDULE = ct.parse_schedule({"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1, "step_size": 5})
CRITERION = nn.CrossEntropyLoss()


class Training:
    """Digits in 44 batches, an update for each three; every rate that an update used."""

    def __init__(self, accumulation_steps: int = 3) -> None:
        self.accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulation_steps)
        torch.manual_seed(0)
        self.model: Any = nn.Sequential(nn.Linear(64, 32), nn.Dropout(0.1), nn.ReLU(), nn.Linear(32, 10))
        self.optimizer: Any = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.used: list[float] = []
        self.optimizer.register_step_pre_hook(
            lambda *_: self.used.append(self.optimizer.param_groups[0]["lr"])
        )
        self.loader: Any = DataLoader(
            TensorDataset(INPUTS[:1397], TARGETS[:1397]), batch_size=32, shuffle=True
        )
        self.held_out = INPUTS[1397:], TARGETS[1397:]

    def prepare(self) -> "Training":
        self.model, self.optimizer, self.loader = self.accelerator.prepare(
            self.model, self.optimizer, self.loader
        )
        return self

    def find(self, **options: Any) -> Any:
        prepared = self.accelerator, self.model, self.optimizer, CRITERION, self.loader
        return range_test(*prepared, **options)


@pytest.fixture
def training() -> Training:
    return Training().prepare()


def planned(sweeps: tuple[Sweep, ...]) -> list[float]:
    return [sweep.plan.lr(point.step) for sweep in sweeps for point in sweep.points]


def test_bounds_are_found_on_digits_and_sweeps_of_a_seed_begin_alike(training: Training) -> None:
    bounds = training.find(held_out=training.held_out, num_seeds=2)

    assert isinstance(bounds, ct.Bounds)
    assert bounds.metric == "accuracy"
    assert bounds.steps_per_epoch == pytest.approx(15, rel=0.02)
    assert bounds.warnings == ()


def test_a_test_leaves_everything_as_it_was(training: Training) -> None:
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    state, epoch = dict(vars(training.accelerator.gradient_state)), training.loader.iteration
    drawn = torch.get_rng_state()

    training.find(effort="quick")

    assert all(torch.equal(value, before[name]) for name, value in training.model.state_dict().items())
    assert dict(vars(training.accelerator.gradient_state)) == state
    assert (training.accelerator.step, training.loader.iteration) == (0, epoch)
    assert torch.equal(torch.get_rng_state(), drawn)


def test_every_update_of_a_test_has_its_planned_rate_also_with_accumulation(training: Training) -> None:
    bounds = training.find(effort="quick")

    assert training.used == pytest.approx(planned(bounds.sweeps))


def test_the_example_trains_under_its_schedule_at_every_update() -> None:
    training = Training()
    names = {"criterion": CRITERION, **vars(training)}

    exec(python_block("Accelerate"), names)

    tested = len(planned(names["bounds"].sweeps))
    assert training.used[tested:] == pytest.approx([names["schedule"](step) for step in range(45)])


def test_an_accelerator_leaves_our_scheduler_alone_and_wraps_torchs(training: Training) -> None:
    ours = ct.Scheduler(training.optimizer, SCHEDULE)
    theirs = LambdaLR(training.optimizer, ct.as_lambda_lr(SCHEDULE))

    assert training.accelerator.prepare(ours) is ours
    assert training.accelerator.prepare(theirs) is not theirs


def test_clipping_is_that_of_the_training(training: Training) -> None:
    norms: list[float] = []

    def note(*_: Any) -> None:
        gradients = [parameter.grad for parameter in training.model.parameters()]
        norms.append(torch.cat([gradient.flatten() for gradient in gradients]).norm().item())

    training.optimizer.optimizer.register_step_pre_hook(note)
    training.find(effort="quick", num_steps=30, clip_grad_norm=0.01)

    assert max(norms) == pytest.approx(0.01, rel=0.01)


def test_what_was_not_prepared_is_refused() -> None:
    with pytest.raises(ValueError, match=r"as accelerator\.prepare answered them"):
        Training().find()


def test_without_the_framework_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    monkeypatch.delitem(sys.modules, "clr_tuner.integrations.accelerate")

    with pytest.raises(ImportError, match="pip install 'accelerate"):
        import_module("clr_tuner.integrations.accelerate")
