"""Adafactor updates at no more than 1/sqrt(step): range tests stay below, and say so."""

import pytest
import torch

from clr.adafactor import stay_below_cap
from clr.analysis import read_bounds
from clr.bounds import Inconclusive
from clr.range_test import RangeTestConfig
from clr.training.lr_finder import LRFinder
from tests.clr.curves import GOOD, bounds_of, loss_of, measured, plan, seeds


@pytest.mark.parametrize(
    ("config", "end_lr"),
    [
        (RangeTestConfig(), 0.05),
        (RangeTestConfig(num_steps=2500), 0.02),
        (RangeTestConfig(effort="quick", num_steps=100), 0.1),
        (RangeTestConfig(num_steps=100, start_lr=0.001, end_lr=0.1), 0.1),
        (RangeTestConfig(end_lr=0.01), 0.01),
    ],
)
def test_the_last_step_of_each_sweep_uses_the_rate_that_it_is_given(
    config: RangeTestConfig, end_lr: float
) -> None:
    assert stay_below_cap(config).end_lr == pytest.approx(end_lr)


def test_a_higher_end_is_refused_with_what_is_allowed() -> None:
    with pytest.raises(ValueError, match=r"end_lr must be at most 0\.05 in sweeps of 400 steps"):
        stay_below_cap(RangeTestConfig(end_lr=1.0))


def test_a_finder_counts_the_updates_that_were_made_before() -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adafactor(model.parameters(), lr=0.01)
    model(torch.ones(1, 2)).sum().backward()
    for _ in range(10):
        optimizer.step()

    with pytest.raises(ValueError, match=r"end_lr must be at most 0\.213 in sweeps of 12 steps"):
        LRFinder(model, optimizer, config={"effort": "quick", "num_steps": 12, "end_lr": 0.3})


def test_the_bounds_say_from_when_on_a_training_is_slower() -> None:
    bounds = bounds_of(seeds(loss_of(GOOD), GOOD), optimizer="Adafactor")

    assert f"after {int(1 / bounds.max_lr**2)} steps that is less than" in bounds.warnings[-1]


def test_what_trains_well_up_to_the_end_is_tested_in_shorter_sweeps() -> None:
    rising = [measured(plan(seed=seed, num_steps=400), lambda lr: 2.0 - lr) for seed in range(3)]

    answer = read_bounds(rising, optimizer="Adafactor")

    assert isinstance(answer, Inconclusive)
    assert answer.next_experiment["request"] == {"num_steps": 100, "end_lr": None}
