"""What is wrong with what a workload hands over, told by looking at it: sentences, none when all is well."""

from collections.abc import Iterable, Iterator, Mapping, Sized
from itertools import islice
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from clr.problem import Problem, Untrainable
from clr.training.accuracy import share_right, takes_floats
from clr.training.batches import NO_BATCHES
from clr.training.nested import tensors


def problem_faults(problem: Any) -> Iterator[str]:
    """What `build` answered."""
    if not isinstance(problem, Problem):
        yield f"build must answer a clr_tuner.Problem, got {problem!r}"
        return
    if not isinstance(problem.model, nn.Module):
        yield f"model must be a torch.nn.Module, got {problem.model!r}"
    elif not any(parameter.requires_grad for parameter in problem.model.parameters()):
        yield "model has no parameter that requires a gradient: nothing can be trained"
    elif any(value.is_meta for value in (*problem.model.parameters(), *problem.model.buffers())):
        yield "model lies on the meta device, where it has no numbers: make it on the CPU"
    if not isinstance(problem.loss, nn.Module):
        yield f"loss must be a torch.nn.Module, as nn.CrossEntropyLoss() is; got {problem.loss!r}"
    if not isinstance(problem.batches, Iterable) and not hasattr(problem.batches, "__getitem__"):
        yield f"batches must be an iterable of (inputs, targets), as a loader or a list is; got {problem.batches!r}"
    size = problem.train_size
    if size is not None and (not isinstance(size, int) or size < 1):
        yield f"train_size must be the number of training examples, from 1, or None for a stream; got {size!r}"
    yield from _pair_faults("held_out", problem.held_out)
    if problem.classifies and _is_pair(problem.held_out) and not takes_floats(problem.loss):
        targets = problem.held_out[1]
        if isinstance(targets, Tensor) and targets.is_floating_point():
            yield "classifies is True, and the targets are no class indices but floats; say classifies=False"


def batch_faults(batch: Any) -> Iterator[str]:
    """What `batches` gave first; None: nothing."""
    if batch is None:
        yield NO_BATCHES
    else:
        yield from _pair_faults("a batch", batch)


def loss_faults(loss: Any) -> Iterator[str]:
    """What `loss` gave for the first batch and the initial weights."""
    if not isinstance(loss, Tensor) or loss.dim():
        yield f"loss must give the batch's mean, a scalar; got {_shown(loss)}"
    elif loss.is_complex():
        yield "the loss is a complex number, which nothing can make small; take its real part or its abs()"
    elif not loss.isfinite():
        yield f"the loss of the first batch is {loss.detach()}, with the initial weights; look at data and model"
    elif not loss.requires_grad:
        yield "the loss has no gradient: it was cut off by detach, item, argmax, no_grad or the like"


def class_faults(loss: nn.Module, outputs: Any, targets: Any) -> Iterator[str]:
    """Whether an accuracy can be told from these."""
    if not isinstance(targets, Tensor):
        yield f"classifies is True, but the targets are {_shown(targets)}; say classifies=False"
        return
    try:
        share_right(loss, outputs, targets)
    except Untrainable as error:
        yield str(error)


def leaves_one(batches: Any) -> bool:
    """Whether the last batch of a pass is a single example."""
    return (
        isinstance(batches, DataLoader)
        and not isinstance(batches.dataset, IterableDataset)
        and not batches.drop_last
        and batches.batch_size is not None
        and batches.batch_size > 1
        and isinstance(batches.sampler, Sized)
        and len(batches.sampler) % batches.batch_size == 1
    )


def _pair_faults(what: str, value: Any) -> Iterator[str]:
    if not _is_pair(value):
        yield f"{what} must be a pair of tensors (inputs, targets), got {_shown(value)}"
    elif len(lengths := {len(tensor) for tensor in tensors(value)}) > 1 or 0 in lengths:
        yield f"{what} must hold as many inputs as targets, one at least; got {_shown(value)}"


def _is_pair(value: Any) -> bool:
    if not isinstance(value, tuple | list) or len(value) != 2:
        return False
    sides = [list(tensors(side)) for side in value]
    return all(sides) and all(tensor.dim() for side in sides for tensor in side)


def _shown(value: Any) -> str:
    """A value by its shape."""
    match value:
        case Tensor():
            return f"a tensor of shape {tuple(value.shape)}"
        case tuple() | list():
            return f"a {type(value).__name__} of {', '.join(map(_shown, value[:3])) or 'nothing'}"
        case Mapping():
            named = (f"{name!r}: {_shown(one)}" for name, one in islice(value.items(), 3))
            return f"a {type(value).__name__} of {', '.join(named) or 'nothing'}"
        case np.ndarray():
            return f"an array of shape {value.shape}"
    return repr(value)
