"""One value as it was: each function here keeps a value and answers what brings it back in place, as often as asked.

In place, as others hold on to the same object; and what did not change is not written to: it may not be writable.
"""

import random
from collections import deque
from collections.abc import Callable
from operator import is_
from types import MemberDescriptorType
from typing import Any

import numpy as np
import torch
from torch import Tensor

Restore = Callable[[], object]
Device = torch.device | None
INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by their bytes


def keep_tensor(tensor: Tensor, device: Device = None) -> Restore:
    """Keep a tensor's numbers, shape, memory, gradient and whether it wants one; not the gradient's own numbers.

    device: where the copy lies; None: where the tensor does.
    """
    keep = _keep_sparse if tensor.layout != torch.strided else _keep_dense
    restore = keep(tensor, device)
    if not tensor.is_leaf:
        return restore
    requires_grad, gradient = tensor.requires_grad, tensor.grad

    def restore_leaf() -> None:
        restore()
        if tensor.requires_grad != requires_grad:
            tensor.requires_grad_(requires_grad)
        if tensor.grad is not gradient:
            tensor.grad = gradient

    return restore_leaf


def _keep_sparse(tensor: Tensor, device: Device) -> Restore:
    value = _copy(tensor.detach(), device)

    def restore() -> None:
        tensor.data = _copy(value, tensor.device)  # in place a sparse tensor cannot get back fewer numbers

    return restore


def _keep_dense(tensor: Tensor, device: Device) -> Restore:
    alias = tensor.detach()  # the same memory, in the shape of now
    memory = _show_each_once(alias)
    value, where, size = _copy(memory, device), _locate(alias), _count_bytes(alias)

    def restore() -> None:
        if _count_bytes(alias) < size:
            alias.untyped_storage().resize_(size)
        if not _equal(memory, value):
            with torch.inference_mode(alias.is_inference()), torch.no_grad():
                memory.copy_(value)
        if _locate(tensor) != where:
            tensor.data = alias

    return restore


def _copy(tensor: Tensor, device: Device) -> Tensor:
    return tensor.clone() if device in (None, tensor.device) else tensor.to(device, copy=True)


def _show_each_once(tensor: Tensor) -> Tensor:
    """The memory of a tensor that shows some of it more than once, as an expanded one does; else the tensor."""
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    span = 1 + sum((length - 1) * stride for length, stride in steps)
    return tensor.as_strided((span,), (1,)) if span < tensor.numel() else tensor


def _locate(tensor: Tensor) -> tuple[Any, ...] | None:
    """What of its memory a tensor shows, and how; None of one that has no memory of its own, as some subclasses."""
    try:
        memory = tensor.untyped_storage()._cdata
    except (RuntimeError, AttributeError):
        return None
    return memory, tensor.dtype, tensor.shape, tensor.stride(), tensor.storage_offset()


def _count_bytes(tensor: Tensor) -> int:
    return tensor.untyped_storage().nbytes() if _locate(tensor) is not None else 0


def _equal(tensor: Tensor, value: Tensor) -> bool:
    """Bit for bit: NaN is itself, and 0 is not -0. False also where that cannot be told, as on two devices."""
    try:
        integers = INTEGERS[tensor.element_size()]
        return torch.equal(tensor.view(integers), value.view(integers))
    except (RuntimeError, KeyError):
        return False


def keep_mapping(mapping: dict[Any, Any]) -> Restore:
    """Keep the keys of a mapping, their order and what they are bound to: of a dict, or of an object's attributes."""
    before = dict(mapping)

    def restore() -> None:
        if _same(mapping, before) and _same(mapping.values(), before.values()):
            return
        try:
            mapping.clear()
        finally:  # Ctrl-C between the two would lose them all
            mapping.update(before)

    return restore


def keep_class(value: Any) -> Restore:
    """Keep the class of an object, as a parametrization gives a module another class."""
    kind = type(value)

    def restore() -> None:
        if type(value) is not kind:
            value.__class__ = kind

    return restore


def read_slots(value: Any) -> dict[str, Any]:
    """Read what an object holds in the slots of its classes; those that are not set are left out."""
    return {name: slot.__get__(value) for name, slot in _list_slots(value) if _is_set(slot, value)}


def keep_slots(value: Any) -> Restore:
    """Keep what the slots of an object are bound to, also where it is frozen."""
    before = read_slots(value)

    def restore() -> None:
        for name, slot in _list_slots(value):
            if name in before:
                slot.__set__(value, before[name])
            elif _is_set(slot, value):
                slot.__delete__(value)

    return restore


def _list_slots(value: Any) -> list[tuple[str, Any]]:
    return [
        (f"{kind.__name__}.{name}", slot)
        for kind in type(value).__mro__
        if "__slots__" in vars(kind)
        for name, slot in vars(kind).items()
        if isinstance(slot, MemberDescriptorType)
    ]


def _is_set(slot: Any, value: Any) -> bool:
    try:
        slot.__get__(value)
    except AttributeError:
        return False
    return True


def keep_list(items: list[Any]) -> Restore:
    """Keep the items of a list, in their order."""
    before = list(items)

    def restore() -> None:
        if not _same(items, before):
            items[:] = before

    return restore


def keep_set(members: set[Any]) -> Restore:
    """Keep the members of a set."""
    before = set(members)

    def restore() -> None:
        try:
            members.clear()
        finally:
            members.update(before)

    return restore


def keep_deque(items: deque[Any]) -> Restore:
    """Keep the items of a deque, in their order."""
    before = list(items)

    def restore() -> None:
        if not _same(items, before):
            items.clear()
            items.extend(before)

    return restore


def keep_array(array: np.ndarray[Any, Any]) -> Restore:
    """Keep the numbers of an array."""
    value = array.copy()

    def restore() -> None:
        if array.tobytes() != value.tobytes():
            array[...] = value

    return restore


def keep_generator(generator: Any) -> Restore:
    """Keep the state of one of torch's generators, numpy's or Python's."""
    match generator:
        case torch.Generator():
            state = generator.get_state()
            return lambda: generator.set_state(state)
        case np.random.Generator():
            numpys = generator.bit_generator
            bit_state = numpys.state
            return lambda: setattr(numpys, "state", bit_state)
        case np.random.RandomState():
            legacy_state = generator.get_state()
            return lambda: generator.set_state(legacy_state)
    pythons = generator.getstate()
    return lambda: generator.setstate(pythons)


def keep_global_generators() -> Restore:
    """Keep the generators that everybody draws from: torch's on every device, numpy's and Python's."""
    on_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    on_cpu, numpys, pythons = torch.get_rng_state(), np.random.get_state(), random.getstate()

    def restore() -> None:
        torch.set_rng_state(on_cpu)
        if on_gpus:
            torch.cuda.set_rng_state_all(on_gpus)
        np.random.set_state(numpys)
        random.setstate(pythons)

    return restore


def is_generator(value: Any) -> bool:
    """Whether `keep_generator` takes it."""
    kinds = torch.Generator | np.random.Generator | np.random.RandomState | random.Random
    return isinstance(value, kinds) and not isinstance(value, random.SystemRandom)


def _same(objects: Any, originals: Any) -> bool:
    """Whether these are the very same objects in the same order."""
    return len(objects) == len(originals) and all(map(is_, objects, originals))
