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
    """Its numbers, shape, memory, gradient and whether it wants one; the gradient's numbers are kept by themselves.

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
    value = _copied(tensor.detach(), device)

    def restore() -> None:
        tensor.data = _copied(value, tensor.device)  # in place a sparse tensor cannot get back fewer numbers

    return restore


def _keep_dense(tensor: Tensor, device: Device) -> Restore:
    alias = tensor.detach()  # the same memory, in the shape of now
    written = _each_once(alias)
    value, where, size = _copied(written, device), _where(alias), _bytes(alias)

    def restore() -> None:
        if _bytes(alias) < size:
            alias.untyped_storage().resize_(size)
        if not _equal(written, value):
            with torch.inference_mode(alias.is_inference()), torch.no_grad():
                written.copy_(value)
        if _where(tensor) != where:
            tensor.data = alias

    return restore


def _copied(tensor: Tensor, device: Device) -> Tensor:
    return tensor.clone() if device in (None, tensor.device) else tensor.to(device, copy=True)


def _each_once(tensor: Tensor) -> Tensor:
    """The memory of a tensor that shows some of it more than once, as an expanded one does; else the tensor."""
    steps = zip(tensor.shape, tensor.stride(), strict=True)
    span = 1 + sum((length - 1) * stride for length, stride in steps)
    return tensor.as_strided((span,), (1,)) if span < tensor.numel() else tensor


def _where(tensor: Tensor) -> tuple[Any, ...] | None:
    """What of its memory a tensor shows, and how; None of one that has no memory of its own, as some subclasses."""
    try:
        memory = tensor.untyped_storage()._cdata
    except (RuntimeError, AttributeError):
        return None
    return memory, tensor.dtype, tensor.shape, tensor.stride(), tensor.storage_offset()


def _bytes(tensor: Tensor) -> int:
    return tensor.untyped_storage().nbytes() if _where(tensor) is not None else 0


def _equal(one: Tensor, other: Tensor) -> bool:
    """Bit for bit: NaN is itself, and 0 is not -0. False also where that cannot be told, as on two devices."""
    try:
        integers = INTEGERS[one.element_size()]
        return torch.equal(one.view(integers), other.view(integers))
    except (RuntimeError, KeyError):
        return False


def keep_mapping(held: dict[Any, Any]) -> Restore:
    """Which keys it has, in which order, bound to what: a dict, or the attributes of an object."""
    before = dict(held)

    def restore() -> None:
        if _same(held, before) and _same(held.values(), before.values()):
            return
        try:
            held.clear()
        finally:  # Ctrl-C between the two would lose them all
            held.update(before)

    return restore


def keep_class(value: Any) -> Restore:
    """What kind of object it is, as a parametrization gives a module another class."""
    kind = type(value)

    def restore() -> None:
        if type(value) is not kind:
            value.__class__ = kind

    return restore


def slots_of(value: Any) -> dict[str, Any]:
    """What it holds in the slots of its classes; those that are not set are left out."""
    return {name: slot.__get__(value) for name, slot in _slots(value) if _is_set(slot, value)}


def keep_slots(value: Any) -> Restore:
    """What its slots are bound to, also where it is frozen."""
    before = slots_of(value)

    def restore() -> None:
        for name, slot in _slots(value):
            if name in before:
                slot.__set__(value, before[name])
            elif _is_set(slot, value):
                slot.__delete__(value)

    return restore


def _slots(value: Any) -> list[tuple[str, Any]]:
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


def keep_list(held: list[Any]) -> Restore:
    """Its items, in their order."""
    before = list(held)

    def restore() -> None:
        if not _same(held, before):
            held[:] = before

    return restore


def keep_set(held: set[Any]) -> Restore:
    """Its members."""
    before = set(held)

    def restore() -> None:
        try:
            held.clear()
        finally:
            held.update(before)

    return restore


def keep_deque(held: deque[Any]) -> Restore:
    """Its items, in their order."""
    before = list(held)

    def restore() -> None:
        if not _same(held, before):
            held.clear()
            held.extend(before)

    return restore


def keep_array(array: np.ndarray[Any, Any]) -> Restore:
    """Its numbers."""
    value = array.copy()

    def restore() -> None:
        if array.tobytes() != value.tobytes():
            array[...] = value

    return restore


def keep_generator(generator: Any) -> Restore:
    """The state of one of torch's generators, numpy's or Python's."""
    match generator:
        case torch.Generator():
            state = generator.get_state()
            return lambda: generator.set_state(state)
        case np.random.Generator():
            numpys = generator.bit_generator
            drawn = numpys.state
            return lambda: setattr(numpys, "state", drawn)
        case np.random.RandomState():
            old = generator.get_state()
            return lambda: generator.set_state(old)
    pythons = generator.getstate()
    return lambda: generator.setstate(pythons)


def keep_global_generators() -> Restore:
    """Those that everybody draws from: torch's on every device, numpy's and Python's."""
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


def _same(some: Any, others: Any) -> bool:
    """Whether these are the very same objects in the same order."""
    return len(some) == len(others) and all(map(is_, some, others))
