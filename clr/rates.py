"""The rate that a swept update uses: set on every param group, and put back where the loop sets another.

A scheduler left in the loop would keep the rate where it likes it: what an update really uses is looked at before it.
"""

import math
from typing import Any

from clr.asgd import catch_up
from clr.momentum import momentum_of
from clr.scheduler import set_lr, set_momentum

FINDS_ITS_RATE = ({"d", "k"}, {"reps_rel"})  # in groups of D-Adaptation and Prodigy, and of DoG


# Of their packages prodigyopt, prodigy-plus-schedule-free, dadaptation and dog-optimizer, as optimizers are called.
MULTIPLIED = {"prodigy", "prodigyplusschedulefree", "dog", "ldog"}
MULTIPLIED |= {f"dadapt{of}" for of in ("adam", "adamw", "adampreprint", "sgd", "adagrad", "adan", "lion")}


class Rates:
    """The rates of an optimizer, and of those inside it, as SAM and Lookahead have one; momentum stays as it is.

    momentum_cycled: a scheduler has set it already; then the one that the optimizer was made with is used, if any.
    Raises ValueError for a group without a rate to set, or whose lr only scales one. `release` must be called at the
    end.
    """

    def __init__(self, optimizer: Any, *, momentum_cycled: bool = False) -> None:
        self._optimizer = optimizer
        self._at_first = list(optimizer.param_groups)
        self._optimizers = optimizers = with_inner(optimizer)
        owned = {id(group): (group, owner) for owner in optimizers for group in owner.param_groups}
        if any(group.get("lr") is None for group, _ in owned.values()):
            raise ValueError("a param group has no lr: an optimizer that sets its own rate cannot be swept")
        if any(marks <= group.keys() for marks in FINDS_ITS_RATE for group, _ in owned.values()):
            raise ValueError(explain_multiplier(type(optimizer).__name__))
        self._groups = [
            (group, (momentum_cycled and momentum_of(getattr(owner, "defaults", {}))) or momentum_of(group))
            for group, owner in owned.values()
        ]
        self._planned: float | None = None
        self._moved, self._updates = False, 0
        self._handles = [
            inner.register_step_pre_hook(self._before_update)
            for inner in optimizers
            if hasattr(inner, "_optimizer_step_pre_hooks")
        ]

    @property
    def momentum(self) -> float:
        """That of the first group, or its first beta; 0 without."""
        return self._groups[0][1]

    @property
    def differ(self) -> bool:
        """Whether the groups have rates of their own that no `lr_scale` speaks of."""
        plain = [float(group["lr"]) for group, _ in self._groups if "lr_scale" not in group]
        return any(not _close(lr, plain[0]) for lr in plain)

    @property
    def warnings(self) -> list[str]:
        """What the loop did to rates and updates, a sentence each."""
        warnings = []
        if self._moved:
            warnings.append(
                "something in the loop, a scheduler perhaps, set a rate or a momentum of its own; each update had the "
                f"planned rate and a momentum of {self.momentum:g} all the same. Leave it out of the loop, or hand it "
                "over with `also` if it is not one of torch's"
            )
        if self._handles and not self._updates:
            warnings.append("this optimizer was never stepped: hand over the one that the loop steps")
        return warnings

    def set(self, lr: float) -> None:
        """Have the next update use this rate, times each group's `lr_scale`."""
        self._planned = lr
        for group, momentum in self._groups:
            set_lr(group, lr)
            if not _close(momentum_of(group), momentum):
                set_momentum(group, momentum)
        self._catch_up()

    def hold(self) -> bool:
        """Put back what was set; whether anything had moved. Raises ValueError where groups came or went."""
        now = self._optimizer.param_groups
        if len(now) != len(self._at_first) or any(
            group is not first for group, first in zip(now, self._at_first, strict=True)
        ):
            raise ValueError(
                "the param groups changed during the test: add or load them before it, or train without it"
            )
        if self._planned is None:
            return False
        moved = False
        for group, momentum in self._groups:
            planned = self._planned * group.get("lr_scale", 1.0)
            if not _close(float(group["lr"]), planned):
                set_lr(group, self._planned)
                moved = True
            if not _close(momentum_of(group), momentum):
                set_momentum(group, momentum)
                moved = True
        if moved:
            self._catch_up()
        self._moved |= moved
        return moved

    def check(self) -> None:
        """As `hold`, after an update. Raises RuntimeError where it may have used another rate, unseen."""
        if self.hold() and not self._handles:
            raise RuntimeError(
                "something in the loop sets the rate, and this optimizer has no hooks to keep the planned one: "
                "leave the scheduler out of the loop while the test runs"
            )

    def release(self) -> None:
        """Look no more."""
        for handle in self._handles:
            handle.remove()

    def _catch_up(self) -> None:
        for optimizer in self._optimizers:
            catch_up(optimizer)

    def _before_update(self, *_: Any) -> None:
        self._updates += 1
        self.hold()


def explain_multiplier(name: str) -> str:
    """Why no range test is made with an optimizer whose lr is no rate, and what to do instead."""
    return (
        f"{name} finds its rate by itself and lr only scales it: there is nothing to test. Leave lr at 1 and compare "
        "schedules instead, with a max_lr of 1"
    )


def is_multiplied(name: str) -> bool:
    """Whether an optimizer of this name is known to find its rate by itself."""
    return name.replace("_", "").replace("-", "").lower() in MULTIPLIED


def is_optimizer(value: Any) -> bool:
    """Whether it is one, or behaves as one: it has groups of parameters, and steps."""
    return (
        not isinstance(value, type)
        and isinstance(getattr(value, "param_groups", None), list)
        and callable(getattr(value, "step", None))
    )


def with_inner(optimizer: Any) -> list[Any]:
    """The optimizer and those among its attributes, however deep."""
    seen: dict[int, Any] = {}
    waiting = [optimizer]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, list | tuple):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
        elif is_optimizer(value):
            attributes = getattr(value, "__dict__", {}).items()
            waiting += [attribute for name, attribute in attributes if name not in ("param_groups", "state")]
    return [value for value in seen.values() if is_optimizer(value)]


def _close(rate: float, other: float) -> bool:
    """But for the rounding of a float32, as tensors hold rates."""
    return rate == other or math.isclose(rate, other, rel_tol=1e-6)
