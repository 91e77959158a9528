"""Tensors as a model takes and gives them: alone, or several in tuples, lists and mappings, nested as one likes."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor


def moved(value: Any, device: str) -> Any:
    """The value with every tensor of it on the device."""
    if hasattr(value, "to"):  # a tensor, or what holds some and knows how, as a PackedSequence does
        return value.to(device)
    return _rebuild(value, lambda part: moved(part, device))


def gathered(value: Any, indices: Tensor) -> Any:
    """The examples of these indices, out of every tensor."""
    if isinstance(value, Tensor):
        return value.index_select(0, indices.to(value.device))
    return _rebuild(value, lambda part: gathered(part, indices))


def sliced(value: Any, start: int, stop: int) -> Any:
    """The examples from `start` up to `stop`, out of every tensor."""
    if isinstance(value, Tensor):
        if value.layout == torch.strided:
            return value[start:stop]
        return value.index_select(0, torch.arange(start, min(stop, len(value)), device=value.device))
    return _rebuild(value, lambda part: sliced(part, start, stop))


def tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor of the value, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping | tuple | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from tensors(part)


def num_examples(value: Any) -> int:
    """The length of the first dimension of its tensors."""
    return len(next(tensors(value)))


def content(tensor: Tensor) -> bytes:
    """The numbers of a tensor byte for byte, whatever its dtype and layout."""
    if tensor.layout != torch.strided:
        tensor = tensor.to_sparse_coo().coalesce()
        return content(tensor.indices()) + content(tensor.values())
    plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    return plain.flatten().view(torch.uint8).numpy().tobytes()


def _rebuild(value: Any, do: Callable[[Any], Any]) -> Any:
    """The tuple, list or mapping anew, with `do` of what it holds; anything else as it is."""
    if isinstance(value, Mapping):
        return {name: do(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        parts = [do(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value
