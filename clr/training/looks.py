"""The held-out examples that the looks of a sweep take: a sample, the same each time, paid for by a share of its steps.

The sweeps of a range test are compared with each other, so that noise which all share does not matter; a look costs a
pass forward of each example, where a step costs one and a pass back, three in all.
"""

from dataclasses import replace

import torch
from torch import Tensor

from clr.problem import Batch, Problem
from clr.range_test import TEST_STEPS, look_every
from clr.training.nested import gathered, num_examples, tensors

HELD_OUT_CHUNK = 2048  # examples evaluated at once

COST = 0.4  # of the time of the steps, that looks may take
PASSES = 3  # forward, as dear as an example that is trained on
FEWEST = 200  # examples: with fewer, an accuracy is not told from luck


def sample_held_out(problem: Problem, *, batch_size: int, eval_every: int) -> Problem:
    """The same problem with as many of its held-out examples as looks every `eval_every` steps may take."""
    return replace(
        problem, held_out=sample_pair(problem.held_out, batch_size=batch_size, eval_every=eval_every)
    )


def sample_pair(held_out: Batch, *, batch_size: int, eval_every: int) -> Batch:
    """As `sample_held_out`, of (inputs, targets); whole where their tensors differ in length: which are examples?"""
    if len({len(tensor) for tensor in tensors(held_out)}) != 1:
        return held_out
    indices = sample(num_examples(held_out), batch_size=batch_size, eval_every=eval_every)
    pair: Batch = held_out if indices is None else gathered(held_out, indices)
    return pair


def sample(held_out: int, *, batch_size: int, eval_every: int) -> Tensor | None:
    """The indices of so many out of `held_out` examples, always the same; None: all of them.

    Longer sweeps take no more than those of a default range test: all look at the same examples.
    """
    count = max(FEWEST, int(COST * PASSES * batch_size * min(eval_every, look_every(TEST_STEPS))))
    if count >= held_out:
        return None
    return torch.randperm(held_out, generator=torch.Generator().manual_seed(0))[:count].sort().values
