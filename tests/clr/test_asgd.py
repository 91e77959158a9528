"""torch's ASGD: each update uses the rate of its own step, not that of the one before."""

import pytest
import torch
from torch import nn

from clr.optimizers import parse_optimizer
from clr.policies import parse_schedule
from clr.problem import Problem
from clr.rates import Rates
from clr.scheduler import Scheduler
from clr.training.trainer import Trainer

RATES = [0.1, 0.4, 0.2, 0.8]


class Slope(nn.Module):
    """Its gradient is 1 wherever it is."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.weight * torch.ones(len(inputs))


class Mean(nn.Module):
    """The mean of the outputs, whatever the targets."""

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return outputs.mean()


def moves(weights: list[float]) -> list[float]:
    return [before - after for before, after in zip([0.0, *weights], weights, strict=False)]


def plain(model: Slope) -> torch.optim.Optimizer:
    model.weight.grad = torch.ones(1)
    return torch.optim.ASGD(model.parameters(), lr=1.0, lambd=0.0)


def test_the_trainer_updates_at_the_rate_of_the_step() -> None:
    model, batch = Slope(), (torch.zeros(2), torch.zeros(2))
    problem = Problem(model, Mean(), batches=[batch], held_out=batch, train_size=2, classifies=False)
    trainer = Trainer(problem, parse_optimizer({"name": "ASGD", "lambd": 0.0}), device="cpu")

    weights = [(trainer.step(lr), model.weight.item())[1] for lr in RATES]

    assert moves(weights) == pytest.approx(RATES)


def test_so_does_a_range_test_in_a_loop_of_ones_own() -> None:
    model = Slope()
    optimizer, weights = plain(model), []
    rates = Rates(optimizer)

    for lr in RATES:
        rates.set(lr)
        optimizer.step()
        weights.append(model.weight.item())

    assert moves(weights) == pytest.approx(RATES)


def test_so_does_a_schedule() -> None:
    model = Slope()
    optimizer, weights = plain(model), []
    schedule = parse_schedule({"policy": "exponential_decay", "lr": 0.8, "gamma": 0.5})
    scheduler = Scheduler(optimizer, schedule)

    for _ in range(4):
        optimizer.step()
        scheduler.step()
        weights.append(model.weight.item())

    assert moves(weights) == pytest.approx([0.8, 0.4, 0.2, 0.1])
