"""Whom a range test in a loop of one's own is reported to while it is measured."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from clr.range_test import RangeTestConfig
from clr.sweep import Sweep


class RangeTestReport(Protocol):
    """What `LRFinder(report_to=)` calls; nothing but `begin` may wait."""

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked that nothing more is measured."""

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
