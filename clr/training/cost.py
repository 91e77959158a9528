"""What a range test in one's own process will cost, said beforehand, and how far it is: on stderr."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from clr.range_test import RangeTestConfig, most_steps, planned_steps
from clr.sweep import Sweep

FIRST, TIMED = 3, 20  # steps that are left out, as they warm up, and those that tell the pace, looks included


class CostReport:
    """Says steps and memory when a test begins, its time after some steps, and shows a bar.

    shown: whether to; None: where stderr is a terminal.
    """

    def __init__(self, config: RangeTestConfig, *, shown: bool | None) -> None:
        console = Console(file=sys.stderr, force_terminal=shown)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._config, self._planned = config, planned_steps(config, [])
        self._task = self._bar.add_task("range test", total=self._planned)
        self._taken, self._sweeps, self._began_at = 0, 0, 0.0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, snapshot_bytes: int) -> None:
        """Say how many steps are planned, and what is kept in memory to restore everything from."""
        most = most_steps(self._config)
        at_most = f", at most {most:,}" if most > self._planned else ""
        self._say(
            f"range test: about {self._planned:,} steps{at_most}; {decimal(snapshot_bytes)} kept to restore from"
        )

    def step(self, sweeps: Sequence[Sweep]) -> None:
        """Count a step; sweeps: those that are finished, from which the rest is planned anew."""
        self._taken += 1
        self._bar.advance(self._task)
        if len(sweeps) > self._sweeps:
            self._sweeps, self._planned = len(sweeps), planned_steps(self._config, sweeps)
            self._bar.update(self._task, total=self._planned)
        if self._taken == FIRST:
            self._began_at = time.perf_counter()
        elif self._taken == FIRST + TIMED:
            pace_s = (time.perf_counter() - self._began_at) / TIMED
            left_s = pace_s * (self._planned - self._taken)
            self._say(
                f"about {left_s:.0f} s to go, at {1000 * pace_s:.3g} ms a step with its share of the looks"
            )

    def _say(self, line: str) -> None:
        if not self._bar.disable:
            self._bar.console.print(line, highlight=False)
