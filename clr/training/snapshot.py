"""Everything that a training loop changes, as it was: what can be reached from the model and the optimizer.

Walked are attributes, containers and what trains: modules, optimizers, schedulers. Whatever else hangs there, such as
a trainer, a logger or a dataset, stays bound where it was, and is neither copied nor entered.
"""

import copy
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import is_dataclass
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, Dataset

from clr.rates import is_optimizer
from clr.scheduler import Scheduler
from clr.training.kept import (
    Restore,
    is_generator,
    keep_array,
    keep_class,
    keep_deque,
    keep_generator,
    keep_global_generators,
    keep_list,
    keep_mapping,
    keep_set,
    keep_slots,
    keep_tensor,
    read_slots,
)

TRAINING = (nn.Module, torch.optim.Optimizer, LRScheduler, Scheduler, torch.amp.GradScaler, SimpleNamespace)
DATA = (Dataset, DataLoader)  # entered where handed over, only
CONTAINERS = (dict, list, deque, set, tuple, np.ndarray)
CODE = (type, ModuleType, FunctionType, MethodType, BuiltinFunctionType)
CONSTANT = {int, float, bool, str, bytes, complex, type(None), torch.dtype, torch.device}
MOST_OBJECTS = 10_000  # looked at in search of a loader's generators
MOST_ITEMS = 1_000  # of a container there: more are data


class Snapshot:
    """The random generators that everybody draws from, and what is added; may be restored many times.

    without: kinds of tensors to leave alone. device: where the copies of tensors lie; None: where each tensor does.
    nbytes: what these copies take.
    """

    def __init__(
        self, *values: Any, without: tuple[type, ...] = (), device: torch.device | None = None
    ) -> None:
        self.nbytes, self._device = 0, device
        self._seen: dict[int, Any] = {}  # by identity; held, so that no other object gets it
        self._without = without
        self._handed: list[Restore] = []
        self._parts: list[Restore] = [keep_global_generators()]
        for value in values:
            self.add(value)

    def add(self, value: Any, *, whole: bool = False) -> None:
        """Restore this as well, and what is reached from it; whole: entering objects of any kind.

        Raises ValueError for lazy parameters that have no shape yet.
        """
        waiting = deque([(value, whole)])
        while waiting:
            value, whole = waiting.popleft()
            if id(value) in self._seen or isinstance(value, self._without):
                continue
            self._seen[id(value)] = value
            parts, inside = _keep(value, whole, self._device)
            if isinstance(value, Tensor | np.ndarray):
                self.nbytes += _count_bytes(value)
            self._parts += parts
            waiting += ((part, whole or inner) for part, inner in inside if type(part) not in CONSTANT)

    def add_bindings(self, value: Any) -> None:
        """Restore also what an object's attributes are bound to, and nothing inside them."""
        self._parts.append(keep_mapping(vars(value)))

    def include(self, other: "Snapshot") -> None:
        """Restore also what another one holds, but for the generators that everybody draws from."""
        self._seen |= other._seen
        self._parts += other._parts[1:]

    def hand_over(self, value: Any) -> None:
        """Restore what a caller asks for: by its own `load_state_dict` where it is no part of torch that has one.

        Raises ValueError where there is nothing in it that could be restored.
        """
        if not isinstance(value, TRAINING) and _has_state(value):
            state = copy.deepcopy(value.state_dict())
            self._handed.append(lambda: value.load_state_dict(copy.deepcopy(state)))
        elif isinstance(value, CODE) or not (
            _has_attributes(value) or is_generator(value) or isinstance(value, CONTAINERS)
        ):
            raise ValueError(
                f"also: nothing in {value!r} can be restored; give modules, optimizers, schedulers, generators, "
                "containers of tensors, or objects with attributes or a state_dict"
            )
        else:
            self.add(vars(value) if isinstance(value, DATA) else value, whole=True)

    def seed(self, seed: int) -> None:
        """Have every generator of torch's draw by this seed."""
        torch.manual_seed(seed)
        for value in self._seen.values():
            if isinstance(value, torch.Generator):
                value.manual_seed(seed)

    def restore(self) -> None:
        """Bring everything back. Each part is tried; the first error is raised when all were, with notes of the others.

        What was handed over with a `load_state_dict` comes first, as that is code of others: it may draw numbers and
        set rates.
        """
        errors: list[BaseException] = []
        for part in (*self._handed, *self._parts):
            try:
                part()
            except BaseException as error:  # Ctrl-C too: what comes after it must not stay behind
                errors.append(error)
        if errors:
            for other_error in errors[1:]:
                errors[0].add_note(f"and also: {other_error!r}")
            raise errors[0]


def _count_bytes(value: Tensor | np.ndarray) -> int:
    if isinstance(value, np.ndarray) or value.layout == torch.strided:
        return value.nbytes
    return sum(part.nbytes for part in (value._indices(), value._values())) if value.is_sparse else 0


def _keep(
    value: Any, whole: bool, device: torch.device | None
) -> tuple[list[Restore], list[tuple[Any, bool]]]:
    """What restores the value itself, and what is inside it, with whether that is to be entered whatever it is."""
    match value:
        case Tensor():
            if is_lazy(value):
                raise ValueError(
                    "the model has lazy parameters without a shape: run one batch through it first"
                )
            return [keep_tensor(value, device)], [(value.grad, False)] if value.is_leaf else []
        case dict():
            return [keep_mapping(value)], [(part, False) for pair in list(value.items()) for part in pair]
        case list():
            return [keep_list(value)], _list_plain(value)
        case deque():
            return [keep_deque(value)], _list_plain(value)
        case set():
            return [keep_set(value)], _list_plain(value)
        case tuple() | frozenset():
            return [], _list_plain(value)
        case np.ndarray() if type(value) is np.ndarray:
            return [keep_array(value)], []
        case _ if is_generator(value):
            return [keep_generator(value)], []
    if _is_entered(value, whole):
        return _keep_object(value)
    return [], []


def _keep_object(value: Any) -> tuple[list[Restore], list[tuple[Any, bool]]]:
    attributes, slots = getattr(value, "__dict__", {}), read_slots(value)
    steps = is_optimizer(value)
    inside = [(part, steps and name == "state") for name, part in [*attributes.items(), *slots.items()]]
    parts = [keep_class(value), keep_mapping(attributes), keep_slots(value)]
    if isinstance(value, torch.jit.ScriptModule):  # its tensors and its mode lie in C++
        inside += _list_plain([*value.parameters(), *value.buffers(), *value.modules()])
        parts.append(partial(value.train, value.training))
    return parts, inside


def _is_entered(value: Any, whole: bool) -> bool:
    if isinstance(value, CODE) or not _has_attributes(value):
        return False
    if isinstance(value, TRAINING) or is_dataclass(value):
        return True
    return not isinstance(value, DATA) and (whole or _has_state(value) or is_optimizer(value))


def _has_attributes(value: Any) -> bool:
    return isinstance(getattr(value, "__dict__", None), dict) or bool(read_slots(value))


def _has_state(value: Any) -> bool:
    return hasattr(type(value), "state_dict") and hasattr(type(value), "load_state_dict")


def _list_plain(values: Iterable[Any]) -> list[tuple[Any, bool]]:
    return [(value, False) for value in values]


def find_generators(loader: Any) -> Iterator[Any]:
    """The random generators that a loader draws from: its own, its samplers', its dataset's, its transforms'."""
    return filter(is_generator, _reach(loader))


def find_shufflers(loader: Any) -> list[Any]:
    """What a loader has that wants to be told each epoch's number: a DistributedSampler, a dataset, the loader."""
    return [value for value in _reach(loader) if callable(getattr(type(value), "set_epoch", None))]


def _reach(loader: Any) -> Iterator[Any]:
    """What is reached from a loader, itself first."""
    seen: dict[int, Any] = {}
    waiting = deque([loader])
    while waiting and len(seen) < MOST_OBJECTS:
        value = waiting.popleft()
        if id(value) in seen or isinstance(value, (*CODE, Tensor)) or type(value) in CONSTANT:
            continue
        seen[id(value)] = value
        yield value
        if isinstance(value, list | tuple | dict):
            if len(value) <= MOST_ITEMS:
                waiting += value.values() if isinstance(value, dict) else value
        elif not is_generator(value):
            waiting += getattr(value, "__dict__", {}).values()
