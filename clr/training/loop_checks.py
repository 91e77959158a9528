"""What a loop of one's own hands over, checked before anything is trained: each refusal says what is wanted."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import nn

from clr.bounds import MOST_STEPS
from clr.cycles import count_steps
from clr.range_test import RangeTestConfig
from clr.rates import is_optimizer


def check_parts(model: Any, optimizer: Any) -> None:
    if isinstance(optimizer, nn.Module) and not isinstance(model, nn.Module):
        raise ValueError("the model comes first: LRFinder(model, optimizer)")
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"model must be a torch.nn.Module, got {model!r}; several go together as nn.ModuleList([...])"
        )
    if not is_optimizer(optimizer):
        raise ValueError(
            f"optimizer must be one of torch's, or step its param_groups as they do; got {optimizer!r}"
        )


def parse_config(config: RangeTestConfig | Mapping[str, Any] | None) -> RangeTestConfig:
    if config is None or isinstance(config, RangeTestConfig):
        return config or RangeTestConfig()
    names = [field.name for field in fields(RangeTestConfig)]
    if not isinstance(config, Mapping):
        raise ValueError(f"config must be a RangeTestConfig, or a dict of its fields; got {config!r}")
    if unknown := [name for name in config if name not in names]:
        raise ValueError(f"config has no {', '.join(map(repr, unknown))}; it has {', '.join(names)}")
    try:
        return RangeTestConfig(**config)
    except TypeError as error:
        raise ValueError(f"config holds a value of the wrong type: {error}") from error


def check_loader(loader: Any) -> None:
    if not isinstance(loader, Iterable) and not hasattr(loader, "__getitem__"):
        raise ValueError(f"hand over a loader, something that gives batches; got {loader!r}")
    if isinstance(loader, Iterator) and iter(loader) is loader:
        raise ValueError("hand over the loader, not an iterator: a test begins it anew")


def count_batches(loader: Any) -> int:
    """The batches of a loader; 0 where unknown, as every DataLoader has a `len` that a stream does not bear."""
    try:
        return len(loader)
    except (TypeError, NotImplementedError, AttributeError):
        return 0


def read_loss(loss: Any) -> float:
    try:
        return float(loss.detach() if isinstance(loss, torch.Tensor) else loss)
    except (TypeError, ValueError, RuntimeError):
        description = (
            f"a tensor of shape {tuple(loss.shape)}"
            if isinstance(loss, torch.Tensor)
            else type(loss).__name__
        )
        raise ValueError(f"step takes the batch's loss, a single number; got {description}") from None


def check_training(
    schedule: str | None, num_epochs: float | None, loader: Any, accumulation_steps: int
) -> None:
    """The training that the bounds are asked for. Raises ValueError for one that cannot be."""
    if num_epochs is None:
        if schedule is not None:
            raise ValueError(
                f"schedule {schedule!r} needs num_epochs: its rates depend on how long the training is"
            )
        return
    from pydantic import ValidationError  # noqa: PLC0415 - the models of all policies, for those who name one

    from clr.partial_schedules import STAND_INS, complete  # noqa: PLC0415 - as above
    from clr.refusals import in_words  # noqa: PLC0415 - as above

    if not isinstance(num_epochs, int | float) or not 0 < num_epochs < math.inf:
        raise ValueError(f"num_epochs must be > 0 and finite, not {num_epochs!r}")
    try:
        steps_per_epoch = len(loader) / accumulation_steps
    except TypeError:
        raise ValueError(
            "the loader has no length, so nobody knows an epoch's steps: ask bounds.for_training(num_steps=)"
        ) from None
    if num_epochs * steps_per_epoch > MOST_STEPS:
        raise ValueError(f"num_epochs must be at most {MOST_STEPS:g} steps, not {num_epochs!r}")
    num_steps = count_steps(num_epochs, steps_per_epoch=steps_per_epoch)
    try:
        complete({"policy": schedule or "triangular"}, **STAND_INS, num_steps=num_steps)
    except ValidationError as error:
        raise ValueError(in_words(error)) from None


def training_ahead(schedule: str | None, num_epochs: float | None) -> dict[str, Any] | None:
    """The training that the bounds are for, {"policy", "num_epochs"}; None where none is told."""
    return None if num_epochs is None else {"policy": schedule or "triangular", "num_epochs": num_epochs}
