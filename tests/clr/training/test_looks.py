"""How many held-out examples the looks of a sweep take, and which."""

import pytest
import torch

from clr.range_test import look_every
from clr.training.looks import COST, FEWEST, PASSES, sample, sample_held_out
from worker.workloads.digits import DigitsMLP


def test_a_sample_is_always_the_same() -> None:
    first, second = (sample(10_000, batch_size=32, eval_every=6) for _ in range(2))

    assert first is not None
    assert second is not None
    assert torch.equal(first, second)
    assert len(first.unique()) == len(first)


def test_a_small_held_out_set_is_looked_at_whole() -> None:
    assert sample(FEWEST, batch_size=1, eval_every=1) is None


@pytest.mark.parametrize(("batch_size", "num_steps"), [(64, 200), (128, 200), (1024, 200)])
def test_looks_cost_a_share_of_the_steps(batch_size: int, num_steps: int) -> None:
    every = look_every(num_steps)

    indices = sample(1_000_000, batch_size=batch_size, eval_every=every)

    assert indices is not None
    looks = num_steps / every
    assert looks * len(indices) == pytest.approx(COST * PASSES * batch_size * num_steps, rel=0.01)


def test_inputs_and_targets_are_of_the_same_examples() -> None:
    problem = DigitsMLP().build(DigitsMLP.Params(), seed=0, batch_size=8, device="cpu")
    inputs, targets = problem.held_out

    some_inputs, some_targets = sample_held_out(problem, batch_size=8, eval_every=6).held_out

    assert len(some_inputs) == len(some_targets) == FEWEST
    found = [int(torch.nonzero((inputs == one).flatten(1).all(dim=1))[0]) for one in some_inputs[:20]]
    assert torch.equal(targets[found], some_targets[:20])


def test_a_longer_sweep_looks_at_the_same_examples() -> None:
    usual, longer = (sample(10_000, batch_size=32, eval_every=look_every(steps)) for steps in (200, 2000))

    assert usual is not None
    assert longer is not None
    assert torch.equal(usual, longer)
