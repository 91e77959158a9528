"""Loaders that shuffle by the number of the epoch that they are told."""

from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

from clr.training.lr_finder import LRFinder


def find_orders(**config: Any) -> tuple[Any, list[tuple[int, int, list[int]]]]:
    """A sampler after a test, and of each pass over the loader (seed, sweep, the examples in their order)."""
    data = TensorDataset(torch.randn(24, 2), torch.arange(24))
    sampler: Any = DistributedSampler(data, num_replicas=2, rank=0)
    sampler.set_epoch(7)
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    orders: list[tuple[int, int, list[int]]] = []
    with LRFinder(
        model, optimizer, config={"num_steps": 12, "start_lr": 1e-9, "end_lr": 1e-8} | config
    ) as finder:
        for step, (_, numbers) in enumerate(finder.batches(DataLoader(data, batch_size=4, sampler=sampler))):
            plan = finder.current.plan
            if step % 3 == 0:
                orders.append((plan.seed, len(finder.sweeps), []))
            orders[-1][2].extend(numbers.tolist())
            finder.step(1.0)
    return sampler, orders


def test_every_pass_of_a_sweep_has_an_order_of_its_own() -> None:
    _, orders = find_orders(num_seeds=1)

    assert len(orders) == 4
    assert len({tuple(order) for *_, order in orders}) == 4


def test_every_seed_begins_with_an_order_of_its_own_and_always_the_same() -> None:
    _, orders = find_orders(num_seeds=3)
    _, again = find_orders(num_seeds=3)

    assert len({tuple(order) for *_, order in orders[::4]}) == 3
    assert orders == again


def test_the_sampler_is_told_nothing_that_stays() -> None:
    sampler, _ = find_orders(num_seeds=1)

    assert sampler.epoch == 7
