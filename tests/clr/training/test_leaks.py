"""A sweep must begin as the first of its seed did; what lives out of reach is told, or reset by the loop."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from clr.range_test import RangeTestConfig
from clr.training.leaks import FirstLosses, fingerprint
from clr.training.lr_finder import LRFinder

INPUTS = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
TARGETS = (INPUTS.sum(1) > 0).long()
BATCHES = list(zip(INPUTS.split(8), TARGETS.split(8), strict=True))
STANDARD = RangeTestConfig(num_seeds=1)


class Variable:
    """A hidden state in a loop's own variable."""

    def __init__(self) -> None:
        self.h = torch.zeros(2)

    def reset(self) -> None:
        self.h = torch.zeros(2)


def warnings_of(
    hidden: Variable, loader: Any = BATCHES, config: RangeTestConfig = STANDARD, **options: Any
) -> list[str]:
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with LRFinder(model, optimizer, config=config, **options) as finder:
        for inputs, targets in finder.batches(loader):
            optimizer.zero_grad()
            outputs = model(inputs) + hidden.h
            loss = nn.functional.cross_entropy(outputs, targets)
            loss.backward()
            optimizer.step()
            if options or loader is BATCHES:
                hidden.h = outputs.detach().mean(0)
            finder.step(loss)
    assert len(finder.sweeps) > 1
    return finder.bounds().warnings


def test_a_hidden_state_in_the_loops_own_variable_is_told() -> None:
    assert any("something outlives the sweeps" in warning for warning in warnings_of(Variable()))


def test_losses_that_differ_a_little_are_told_as_two_numbers() -> None:
    losses = FirstLosses()
    losses.seen(0, 3.0131, None)
    losses.seen(0, 3.0135, None)

    assert "a loss of 3.0135, where the first of its seed began with 3.0131" in losses.warnings[0]


def test_a_loop_that_resets_it_as_a_sweep_begins_is_not_warned() -> None:
    hidden = Variable()

    assert not any("sweep" in warning for warning in warnings_of(hidden, on_sweep=hidden.reset))


def test_what_holds_it_may_be_handed_over_instead() -> None:
    hidden = Variable()

    assert not any("sweep" in warning for warning in warnings_of(hidden, also=[hidden]))
    assert torch.equal(hidden.h, torch.zeros(2))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_shuffling_loader_is_no_leak(num_workers: int) -> None:
    loader = DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=8, shuffle=True, num_workers=num_workers)

    told = warnings_of(Variable(), loader, RangeTestConfig(num_seeds=1, num_steps=12))

    assert not any("sweep" in warning for warning in told)


class Stream(IterableDataset[Any]):
    """Goes on where it was left."""

    def __init__(self) -> None:
        self.at = 0

    def __iter__(self) -> Any:
        while True:
            self.at = (self.at + 7) % 64
            yield INPUTS[self.at], TARGETS[self.at]


def test_a_stream_that_goes_on_is_told_as_such() -> None:
    told = warnings_of(Variable(), DataLoader(Stream(), batch_size=5))

    assert any("began with different batches" in warning for warning in told)


def test_a_stream_that_is_handed_over_begins_anew() -> None:
    stream = Stream()

    told = warnings_of(Variable(), DataLoader(stream, batch_size=5), also=[stream])

    assert not any("different batches" in warning for warning in told)
    assert stream.at == 0


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (1.0, 1.00001, False),
        (1.0, 1.01, True),
        (float("nan"), float("inf"), False),
        (1.0, float("nan"), True),
    ],
)
def test_what_the_order_of_additions_may_do_is_no_leak(first: float, second: float, told: bool) -> None:
    losses = FirstLosses()

    losses.seen(0, first, None)
    losses.seen(0, second, None)
    losses.seen(1, 5.0, None)

    assert bool(losses.warnings) == told


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (torch.ones(2), torch.zeros(2)),
        ({"x": np.ones(2)}, {"x": np.zeros(2)}),
        ([1, (2, "a")], [1, (2, "b")]),
        (torch.ones(2, dtype=torch.complex64), torch.zeros(2, dtype=torch.complex64)),
    ],
)
def test_batches_are_told_apart(one: Any, other: Any) -> None:
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one) == fingerprint(one)
    assert fingerprint(torch.tensor([float("nan")])) == fingerprint(torch.tensor([float("nan")]))
    assert fingerprint(object()) == fingerprint(object())
