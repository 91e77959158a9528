"""What is wrong with what a workload hands over, told by looking at it: sentences, none when all is well."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from clr.workload import Problem


def problem_faults(problem: Any) -> Iterator[str]:
    """What `build` answered."""
    if not isinstance(problem, Problem):
        yield f"build must answer a clr.workload.Problem, got {problem!r}"
        return
    if not isinstance(problem.model, nn.Module):
        yield f"model must be a torch.nn.Module, got {problem.model!r}"
    elif not any(parameter.requires_grad for parameter in problem.model.parameters()):
        yield "model has no parameter that requires a gradient: nothing can be trained"
    if not isinstance(problem.loss, nn.Module):
        yield f"loss must be a torch.nn.Module, as nn.CrossEntropyLoss() is; got {problem.loss!r}"
    if not isinstance(problem.train_size, int) or problem.train_size < 1:
        yield f"train_size must be the number of training examples, from 1; got {problem.train_size!r}"
    yield from _pair_faults("held_out", problem.held_out)
    if problem.classifies and _is_pair(problem.held_out) and problem.held_out[1].is_floating_point():
        yield "classifies is True, and the targets are no class indices but floats; say classifies=False"


def batch_faults(batch: Any) -> Iterator[str]:
    """What `batches` gave first; None: nothing."""
    if batch is None:
        yield "batches are empty; a DataLoader with drop_last has none where a batch is larger than the data"
    else:
        yield from _pair_faults("a batch", batch)


def loss_faults(loss: Any) -> Iterator[str]:
    """What `loss` gave for the first batch and the initial weights."""
    if not isinstance(loss, Tensor) or loss.dim():
        yield f"loss must give the batch's mean, a scalar; got {_shown(loss)}"
    elif not loss.isfinite():
        yield f"the loss of the first batch is {loss.detach()}, with the initial weights; look at data and model"
    elif not loss.requires_grad:
        yield "the loss has no gradient: it was cut off by detach, item, argmax, no_grad or the like"


def class_faults(outputs: Tensor, targets: Tensor) -> Iterator[str]:
    """Whether an accuracy can be told from these."""
    if outputs.argmax(dim=-1).shape != targets.shape:
        yield (
            f"classifies is True, but outputs {tuple(outputs.shape)} are not one row of classes for each of "
            f"targets {tuple(targets.shape)}; change them, or say classifies=False"
        )


def _pair_faults(what: str, value: Any) -> Iterator[str]:
    if not _is_pair(value):
        yield f"{what} must be a pair of tensors (inputs, targets), got {_shown(value)}"
    elif len(value[0]) != len(value[1]) or not len(value[0]):
        yield f"{what} must hold as many inputs as targets, one at least; got {_shown(value)}"


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, tuple | list)
        and len(value) == 2
        and all(isinstance(each, Tensor) and each.dim() for each in value)
    )


def _shown(value: Any) -> str:
    """A value by its shape."""
    match value:
        case Tensor():
            return f"a tensor of shape {tuple(value.shape)}"
        case tuple() | list():
            return f"a {type(value).__name__} of {', '.join(map(_shown, value[:3])) or 'nothing'}"
    return repr(value)
