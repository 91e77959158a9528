"""Bounds that were really found, for what takes them elsewhere."""

from functools import cache

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import clr_tuner as ct


@cache
def find_bounds() -> ct.Bounds:
    """Those of a linear model of the digits: two sweeps of 30 steps."""
    torch.manual_seed(0)
    digits = load_digits()
    inputs, targets = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
    model = nn.Linear(64, 10)
    found = ct.find_bounds(
        model,
        torch.optim.SGD(model.parameters(), lr=0.1),
        nn.CrossEntropyLoss(),
        DataLoader(TensorDataset(inputs[:1500], targets[:1500]), batch_size=50, shuffle=True),
        held_out=(inputs[1500:], targets[1500:]),
        start_lr=0.01,
        end_lr=10.0,
        num_steps=30,
        num_seeds=2,
    )
    assert isinstance(found, ct.Bounds), found
    return found
