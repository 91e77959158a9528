"""What bounds give to those that look for rates by themselves."""

from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from transformers import get_scheduler
from transformers.optimization import GreedyLR

import clr_tuner as ct
from tests.clr_tuner.integrations.digits import find_bounds
from tests.clr_tuner.integrations.page import python_block

IMPROVING, WORSE = [1.0 - 0.01 * step for step in range(300)], [1.0 + step for step in range(300)]


@pytest.fixture
def bounds() -> ct.Bounds:
    return find_bounds()


def play(scheduler: Any, losses: list[float]) -> list[float]:
    """The rates that it sets on these losses."""
    rates = []
    for loss in losses:
        scheduler.step(loss)
        rates.append(scheduler.optimizer.param_groups[0]["lr"])
    return rates


def make_optimizer(lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def test_optuna_searches_around_max_lr_and_begins_with_it(bounds: ct.Bounds) -> None:
    tried: list[float] = []
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    names: dict[str, Any] = {
        "bounds": bounds,
        "train": lambda max_lr: tried.append(max_lr) or -abs(max_lr - 9),
    }

    exec(python_block("Optuna and Ray Tune"), names)  # as a reader would

    low, high = bounds.search_space()
    assert tried[0] == bounds.max_lr
    assert len(set(tried)) == 10
    assert all(low <= rate <= high for rate in tried)
    assert names["study"].trials[1].distributions["lr"] == optuna.distributions.FloatDistribution(
        low, high, log=True
    )


def test_greedy_lr_goes_from_bound_to_bound(bounds: ct.Bounds, tmp_path: Path) -> None:
    names: dict[str, Any] = {"bounds": bounds, "output_dir": str(tmp_path)}
    exec(python_block("GreedyLR"), names)  # as a reader would
    arguments = names["arguments"]

    def make() -> Any:
        optimizer = make_optimizer(arguments.learning_rate)
        kwargs = arguments.lr_scheduler_kwargs
        return get_scheduler(arguments.lr_scheduler_type, optimizer, scheduler_specific_kwargs=kwargs)

    assert isinstance(make(), GreedyLR)
    assert bounds.base_lr < make().optimizer.param_groups[0]["lr"] < bounds.max_lr
    assert play(make(), IMPROVING)[-1] == bounds.max_lr
    assert min(play(make(), WORSE)) == bounds.base_lr


def test_greedy_lr_by_its_defaults_never_lowers_a_rate_of_fine_tuning() -> None:
    assert set(play(GreedyLR(make_optimizer(5e-5)), WORSE)) == {5e-5}
