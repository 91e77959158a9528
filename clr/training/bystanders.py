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
        found = [value for value in gc.get_objects() if kinds[type(value)]]
        self._optimizers = {id(one) for one in optimizers}
        self._parameters = {id(one) for one in model.parameters()}
        self.holders = _holding(self._optimizers, found)
        further = [
            one
            for one in found
            if isinstance(one, torch.optim.Optimizer)
            and id(one) not in self._optimizers
            and self._trains(one)
        ]
        self.others = [*further, *_holding({id(one) for one in further}, found)]
        self._unknown = [one for one in found if isinstance(one, tuple(TOLD_BY))]
        self._watched: list[tuple[Any, str, Any]] = []

    def watch(self, before: Snapshot) -> None:
        """Have `before` restore a GradScaler once it steps one of the optimizers, an average once it takes the model.

        `release` must be called at the end.
        """
        for one in self._unknown:
            name = next(name for kind, name in TOLD_BY.items() if isinstance(one, kind))
            call, kept = getattr(one, name), vars(one).get(name)
            if isinstance(call, MethodType):
                vars(one)[name] = MethodType(self._telling(one, call.__func__, before), one)
                self._watched.append((one, name, kept))

    def release(self) -> None:
        """Watch no more, and let go of all: it may be large."""
        for one, name, kept in reversed(self._watched):
            if kept is None:
                vars(one).pop(name, None)
            else:
                vars(one)[name] = kept
        self.holders, self.others, self._unknown, self._watched = [], [], [], []

    def _telling(self, watched: Any, call: Any, before: Snapshot) -> Any:
        """`call`, a method of the watched one, which tells as well."""
        at_first = Snapshot(watched) if isinstance(watched, SCALER) else None  # `scale` changes it before

        @wraps(call)
        def told(self_: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal at_first
            if self_ is watched and any(map(self._is_ours, (*args, *kwargs.values()))):
                if at_first is not None:
                    before.include(at_first)
                    at_first = None
                before.add(watched)
            return call(self_, *args, **kwargs)

        return told

    def _is_ours(self, value: Any) -> bool:
        if isinstance(value, nn.Module):
            return any(id(one) in self._parameters for one in value.parameters())
        return any(id(one) in self._optimizers for one in with_inner(value))

    def _trains(self, optimizer: torch.optim.Optimizer) -> bool:
        return any(id(one) in self._parameters for group in optimizer.param_groups for one in group["params"])


def _holding(ours: set[int], found: Iterable[Any]) -> list[Any]:
    return [
        value
        for value in found
        if any(id(one) in ours for one in list(getattr(value, "__dict__", {}).values()))
    ]


class _Kinds(dict[type, bool]):
    """Whether objects of a type may stand by; each is asked once, as there are hundreds of thousands of objects."""

    def __missing__(self, kind: type) -> bool:
        names = {name for one in kind.__mro__ for name in vars(one)}  # `hasattr` may run code of others
        saved = names >= {"state_dict", "load_state_dict", "step"}
        self[kind] = issubclass(kind, KNOWN) or (saved and not issubclass(kind, nn.Module))
        return self[kind]
