"""What trains along is put back though nobody named it; what belongs to another training is left alone."""

import copy
import gc
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ExponentialLR, OneCycleLR
from torch.optim.swa_utils import AveragedModel

from clr.range_test import RangeTestConfig
from clr.training.lr_finder import LRFinder

BATCHES = [(torch.randn(8, 4, generator=torch.Generator().manual_seed(seed)), None) for seed in range(4)]
SHORT = RangeTestConfig(start_lr=1e-3, end_lr=0.1, num_steps=20, num_seeds=2)


class Training:
    """A model with an optimizer, a scaler and an average, none of which know each other."""

    def __init__(self) -> None:
        self.model = nn.Linear(4, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.scaler = torch.amp.GradScaler("cpu", growth_interval=1)
        self.average = AveragedModel(self.model)

    def train_on(self, inputs: Tensor) -> Tensor:
        self.optimizer.zero_grad()
        loss: Tensor = self.model(inputs).square().mean()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update_parameters(self.model)
        return loss.detach()

    @property
    def state(self) -> tuple[float, int, bytes]:
        average = self.average.module.weight.detach().numpy().tobytes()
        return self.scaler.get_scale(), int(self.average.n_averaged), average


def test_a_scaler_and_an_average_are_as_they_were() -> None:
    training = Training()
    training.train_on(BATCHES[0][0])
    before = training.state

    with LRFinder(training.model, training.optimizer, config=SHORT) as finder:
        for inputs, _ in finder.batches(BATCHES):
            finder.step(training.train_on(inputs))

    assert training.state == before


def test_those_of_another_training_of_the_same_shape_go_on() -> None:
    ours, other = Training(), Training()
    undisturbed = copy.deepcopy(other)
    with LRFinder(ours.model, ours.optimizer, config=SHORT) as finder:
        for inputs, _ in finder.batches(BATCHES):
            finder.step(ours.train_on(inputs))
            other.train_on(BATCHES[0][0])  # as another thread would
            undisturbed.train_on(BATCHES[0][0])

    assert other.state == undisturbed.state


def test_a_copy_that_the_loop_makes_of_an_average_is_a_plain_one() -> None:
    training = Training()
    with LRFinder(training.model, training.optimizer, config=SHORT) as finder:
        best = copy.deepcopy(training.average)
    best.update_parameters(training.model)

    assert (int(best.n_averaged), int(training.average.n_averaged)) == (1, 0)
    assert "update_parameters" not in vars(training.average)
    assert "step" not in vars(training.scaler)
    assert not finder.sweeps


def test_a_second_optimizer_of_the_model_and_its_scheduler_are_as_they_were() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    swept = torch.optim.SGD(model[0].parameters(), lr=0.1)
    second = torch.optim.AdamW(model[1].parameters(), lr=0.1)
    scheduler = ExponentialLR(second, 0.9)
    seconds = []

    with LRFinder(model, swept, config=SHORT) as finder:
        for inputs, _ in finder.batches(BATCHES):
            loss = model(inputs).square().mean()
            model.zero_grad()
            loss.backward()
            swept.step()
            second.step()
            scheduler.step()
            if len(finder.current.points) == 1:
                seconds.append((finder.current.plan.seed, loss.item()))
            finder.step(loss)

    assert not second.state
    assert second.param_groups[0]["lr"] == 0.1
    assert scheduler.last_epoch == 0
    assert len(set(seconds)) == len({seed for seed, _ in seconds})


def test_a_scheduler_made_inside_the_block_begins_each_sweep_anew() -> None:
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    group = dict(optimizer.param_groups[0])
    epochs = []

    with LRFinder(model, optimizer, config=SHORT) as finder:
        scheduler = OneCycleLR(optimizer, max_lr=0.1, total_steps=25)  # keeps its numbers in the groups
        for inputs, _ in finder.batches(BATCHES):
            epochs.append(scheduler.last_epoch)
            optimizer.zero_grad()
            loss = model(inputs).square().mean()
            loss.backward()
            optimizer.step()
            scheduler.step()
            finder.step(loss)

    assert len(finder.sweeps) > 1
    assert epochs == [*range(20)] * len(finder.sweeps)
    assert dict(optimizer.param_groups[0]) == group


def test_a_finder_that_is_kept_keeps_nothing_of_others_alive() -> None:
    training, other = Training(), Training()
    with LRFinder(training.model, training.optimizer, config=SHORT) as finder:
        pass
    average = weakref.ref(other.average)

    del other
    gc.collect()

    assert average() is None
    assert not finder.sweeps


class Asking(type):
    def __getattr__(cls, name: str) -> Any:
        raise RuntimeError(f"{name} is loaded when it is needed")


class Lazy(metaclass=Asking):
    """As some packages' classes run code when they are asked for an attribute."""


@pytest.mark.filterwarnings("error")
def test_objects_of_strange_classes_are_not_asked() -> None:
    strange, training = Lazy(), Training()

    with LRFinder(training.model, training.optimizer, config=SHORT):
        pass

    assert isinstance(strange, Lazy)
