"""What trains along, though neither model nor optimizer knows it: every object of the process is looked at.

Others may train in it too, in other threads: what is not of this training must be left alone.
"""

import gc
from collections.abc import Iterable
from functools import wraps
from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from clr.rates import with_inner
from clr.scheduler import Scheduler
from clr.training.snapshot import Snapshot

SCALER = torch.amp.GradScaler
KNOWN = (torch.optim.Optimizer, LRScheduler, Scheduler, SCALER, AveragedModel)
TOLD_BY = {SCALER: "step", AveragedModel: "update_parameters"}  # the call that tells whose it is


class Bystanders:
    """Found by what they hold: `holders`, schedulers and wrappers of these optimizers; `others`, further optimizers of
    the model's parameters, and what holds those.

    GradScalers and averages hold nothing of the training that they serve: `watch` waits for a call that tells.
    """

    def __init__(self, optimizers: list[Any], model: nn.Module) -> None:
        kinds = _Kinds()
        objects = [value for value in gc.get_objects() if kinds[type(value)]]
        self._optimizers = {id(optimizer) for optimizer in optimizers}
        self._parameters = {id(parameter) for parameter in model.parameters()}
        self.holders = _find_holders(self._optimizers, objects)
        further = [
            value
            for value in objects
            if isinstance(value, torch.optim.Optimizer)
            and id(value) not in self._optimizers
            and self._trains(value)
        ]
        self.others = [*further, *_find_holders({id(optimizer) for optimizer in further}, objects)]
        self._unknown = [value for value in objects if isinstance(value, tuple(TOLD_BY))]
        self._watched: list[tuple[Any, str, Any]] = []

    def watch(self, before: Snapshot) -> None:
        """Have `before` restore a GradScaler once it steps one of the optimizers, an average once it takes the model.

        `release` must be called at the end.
        """
        for bystander in self._unknown:
            name = next(name for kind, name in TOLD_BY.items() if isinstance(bystander, kind))
            call, shadowed = getattr(bystander, name), vars(bystander).get(name)
            if isinstance(call, MethodType):
                vars(bystander)[name] = MethodType(
                    self._make_telling(bystander, call.__func__, before), bystander
                )
                self._watched.append((bystander, name, shadowed))

    def release(self) -> None:
        """Watch no more, and let go of all: it may be large."""
        for bystander, name, shadowed in reversed(self._watched):
            if shadowed is None:
                vars(bystander).pop(name, None)
            else:
                vars(bystander)[name] = shadowed
        self.holders, self.others, self._unknown, self._watched = [], [], [], []

    def _make_telling(self, watched: Any, call: Any, before: Snapshot) -> Any:
        """`call`, a method of the watched one, which tells as well."""
        at_first = Snapshot(watched) if isinstance(watched, SCALER) else None  # `scale` changes it before

        @wraps(call)
        def tell(self_: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal at_first
            if self_ is watched and any(map(self._is_ours, (*args, *kwargs.values()))):
                if at_first is not None:
                    before.include(at_first)
                    at_first = None
                before.add(watched)
            return call(self_, *args, **kwargs)

        return tell

    def _is_ours(self, value: Any) -> bool:
        if isinstance(value, nn.Module):
            return any(id(parameter) in self._parameters for parameter in value.parameters())
        return any(id(optimizer) in self._optimizers for optimizer in with_inner(value))

    def _trains(self, optimizer: torch.optim.Optimizer) -> bool:
        return any(
            id(parameter) in self._parameters
            for group in optimizer.param_groups
            for parameter in group["params"]
        )


def _find_holders(ours: set[int], objects: Iterable[Any]) -> list[Any]:
    return [
        value
        for value in objects
        if any(id(attribute) in ours for attribute in list(getattr(value, "__dict__", {}).values()))
    ]


class _Kinds(dict[type, bool]):
    """Whether objects of a type may stand by; each is asked once, as there are hundreds of thousands of objects."""

    def __missing__(self, kind: type) -> bool:
        names = {name for base in kind.__mro__ for name in vars(base)}  # `hasattr` may run code of others
        has_state = names >= {"state_dict", "load_state_dict", "step"}
        self[kind] = issubclass(kind, KNOWN) or (has_state and not issubclass(kind, nn.Module))
        return self[kind]
