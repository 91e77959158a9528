"""Whom a loop of one's own is reported to: a range test while it is measured, a training while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from clr.adafactor import NAME

if TYPE_CHECKING:
    from clr.policies import Schedule
    from clr.range_test import RangeTestConfig
    from clr.sweep import Sweep


class RangeTestReport(Protocol):
    """What `LRFinder(report_to=)` calls; nothing but `begin` may wait."""

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked that nothing more is measured."""

    @property
    def steps_per_epoch(self) -> float | None:
        """Of the sweeps that `begin` answered, as far as is known."""

    def begin(
        self, config: RangeTestConfig, *, optimizer: Mapping[str, Any], training: Mapping[str, Any] | None
    ) -> Sequence[Sweep]:
        """A test begins; the sweeps of it that were measured before, in order.

        optimizer: {"name"} with its momentum or betas. training: {"policy", "num_epochs"} that the bounds are for.
        """

    def begin_sweep(self, sweep: Sweep) -> None:
        """This sweep will grow from now on."""

    def end_sweep(self, *, steps_per_epoch: float | None) -> None:
        """The sweep that grew is over. steps_per_epoch: as far as is known."""

    def end(self, *, whole: bool) -> None:
        """Nothing more comes; whole: because nothing more is to be measured."""


class NoReport:
    """A `RangeTestReport` to nobody."""

    cancelled = False
    steps_per_epoch: float | None = None

    def begin(self, config: RangeTestConfig, **about: Any) -> Sequence[Sweep]:
        """Nothing was measured before."""
        return []

    def begin_sweep(self, sweep: Sweep) -> None:
        """Nobody watches."""

    def end_sweep(self, *, steps_per_epoch: float | None) -> None:
        """Nobody watches."""

    def end(self, *, whole: bool) -> None:
        """Nobody waits."""


class TrainingReport(Protocol):
    """What `Scheduler(report_to=)` calls; nothing here may wait."""

    def begin(self, schedule: Schedule, *, optimizer: Mapping[str, Any]) -> None:
        """A training under this schedule begins, or goes on. optimizer: as `RangeTestReport.begin` has it."""

    def add(self, step: int, lr: float, loss: Any) -> None:
        """The update of this step used this rate; loss: of its batch before it."""


def name_optimizer(optimizer: Any) -> str:
    """Its class's name, but for an Adafactor that is not torch's, which has no cap on its rate."""
    kind = type(optimizer)
    is_torchs = any(each.__module__.startswith("torch.") for each in kind.__mro__ if each.__name__ == NAME)
    return f"another {NAME}" if kind.__name__ == NAME and not is_torchs else kind.__name__


def describe_optimizer(optimizer: Any) -> dict[str, Any]:
    """{"name"} of an optimizer, with its first group's betas or momentum where it has such."""
    group, name = optimizer.param_groups[0], name_optimizer(optimizer)
    if "betas" in group:
        return {"name": name, "betas": [float(beta) for beta in group["betas"]]}
    return {"name": name, "momentum": float(group["momentum"])} if group.get("momentum") else {"name": name}
