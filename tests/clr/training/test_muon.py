"""Muon beside AdamW is one optimizer, as torch's schedulers and our finder take it."""

import copy

import pytest
import torch
from torch import nn

from clr.problem import Untrainable
from clr.sweep import Sweep
from clr.training.lr_finder import LRFinder
from clr.training.muon import MuonAndAdamW
from clr.training.seeding import seeded

INPUTS, TARGETS = torch.linspace(-1, 1, 64).reshape(16, 4).sin(), torch.arange(16) % 3


def make_model() -> nn.Module:
    with seeded(0):
        return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 3) -> list[float]:
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(INPUTS), TARGETS)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def shapes(optimizer: torch.optim.Optimizer) -> dict[str, list[tuple[int, ...]]]:
    """Of what each trains."""
    named = [
        ("Muon" if "ns_steps" in group else "AdamW", group["params"]) for group in optimizer.param_groups
    ]
    return {name: [tuple(one.shape) for one in parameters] for name, parameters in named}


def test_matrices_are_muons_and_the_rest_is_adamws() -> None:
    model = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 3), nn.Conv1d(3, 2, 1))

    assert shapes(MuonAndAdamW(model)) == {"Muon": [(3, 4)], "AdamW": [(7, 4), (3,), (2, 3, 1), (2,)]}


def test_a_group_of_ones_own_is_split_and_keeps_its_scale() -> None:
    model = make_model()
    groups = [
        {"params": list(layer.parameters()), "lr_scale": scale}
        for layer, scale in ((model[0], 1.0), (model[2], 2.0))
    ]  # type: ignore[index]

    optimizer = MuonAndAdamW(model, groups)

    assert [group["lr_scale"] for group in optimizer.param_groups] == [1.0, 2.0, 1.0, 2.0]


def test_a_model_without_matrices_is_refused() -> None:
    with pytest.raises(Untrainable, match="this model has none beside embeddings: use AdamW"):
        MuonAndAdamW(nn.Embedding(7, 4))


def test_a_loaded_state_goes_on_bit_for_bit() -> None:
    model, resumed = make_model(), make_model()
    optimizer, other = MuonAndAdamW(model), MuonAndAdamW(resumed)
    train(model, optimizer)
    resumed.load_state_dict(model.state_dict())
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))

    assert train(resumed, other) == train(model, optimizer)


def test_a_copy_trains_what_it_is_a_copy_of() -> None:
    model = make_model()
    optimizer = MuonAndAdamW(model)
    train(model, optimizer)
    twin, its_own = copy.deepcopy((model, optimizer))

    assert train(twin, its_own) == train(model, optimizer)


def test_torchs_schedulers_set_the_rate_of_both() -> None:
    optimizer = MuonAndAdamW(make_model(), lr=0.1)

    torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.5, total_steps=10, cycle_momentum=False)

    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.02, 0.02])


def test_a_finder_sweeps_both_and_puts_both_back() -> None:
    model = make_model()
    optimizer = MuonAndAdamW(model, lr=0.01)
    train(model, optimizer)
    twin, its_own = copy.deepcopy((model, optimizer))
    sweeps: list[Sweep] = []

    with LRFinder(model, optimizer, config={"effort": "quick", "num_steps": 30}) as finder:
        for inputs, targets in finder.batches([(INPUTS, TARGETS)]):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            finder.step(loss)
        sweeps = finder.sweeps

    assert len({point.loss for point in sweeps[0].points}) > 20
    assert train(model, optimizer) == train(twin, its_own)
