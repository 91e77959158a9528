"""What a range test in one's own process will cost, said beforehand, and how far it is: on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from clr.confirmation_budget import NUM_STEPS, USUAL_RUNS
from clr.probe import MOST_STEPS as PROBE_STEPS
from clr.range_test import RangeTestConfig, most_steps, planned_steps
from clr.sweep import Sweep, SweepPlan

if TYPE_CHECKING:
    from rich.progress import Progress

    from clr.contender import RunPlan

FIRST, TIMED = 3, 20  # steps that are left out, as they warm up, and those that tell the pace, looks included


class CostReport:
    """Says steps and memory when a test begins, its time after some steps, and shows a bar.

    shown: whether to; None: where stderr is a terminal. for_training: the length of a training was told, for which a
    probe may come at the end. run_steps: of each training of effort thorough.
    """

    def __init__(
        self,
        config: RangeTestConfig,
        *,
        shown: bool | None,
        for_training: bool = False,
        run_steps: int = NUM_STEPS,
    ) -> None:
        if shown is None:
            shown = sys.stderr is not None and sys.stderr.isatty()
        self._config, self._run_steps = config, run_steps
        self._planned = planned_steps(config, [], run_steps=run_steps)
        self._most = most_steps(config, run_steps=run_steps) + (PROBE_STEPS if for_training else 0)
        self._bar = _make_bar(self._planned) if shown else None
        self._taken, self._began_at, self._pace_s = 0, 0.0, 0.0
        self._plan: SweepPlan | RunPlan | None = None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, snapshot_bytes: int) -> None:
        """Say how many steps are planned and may be, and what is kept in memory to restore everything from."""
        if self._bar is None:
            return
        from rich.filesize import decimal  # noqa: PLC0415 - as in `_bar`

        at_most = f", at most {self._most:,}" if self._most > self._planned else ""
        memory = f"{decimal(snapshot_bytes)} kept to restore from"
        self._say(f"range test: about {self._planned:,} steps{at_most}; {memory}")

    def step(self, sweeps: Sequence[Sweep], plan: SweepPlan | RunPlan) -> None:
        """Count a step; sweeps: those that are finished, from which the rest is planned anew. plan: of this one."""
        if self._bar is None:
            return
        self._taken += 1
        [task] = self._bar.task_ids
        self._bar.advance(task)
        if plan != self._plan:
            self._plan = plan
            self._planned = self._plan_anew(sweeps, plan)
            if plan.phase == "probe":
                self._say(f"a probe for so long a training: {plan.num_steps:,} steps more, {self._left()}")
            self._bar.update(task, total=self._planned)
        if self._taken == FIRST:
            self._began_at = time.perf_counter()
        elif self._taken == FIRST + TIMED:
            self._pace_s = (time.perf_counter() - self._began_at) / TIMED
            self._say(
                f"{self._left()} to go, at {1000 * self._pace_s:.3g} ms a step with its share of the looks"
            )

    def _plan_anew(self, sweeps: Sequence[Sweep], plan: SweepPlan | RunPlan) -> int:
        later = USUAL_RUNS * self._run_steps if self._config.effort == "thorough" else 0
        done = sum(len(sweep.points) for sweep in sweeps)
        if plan.phase == "confirm":
            return max(done + later, self._taken + plan.num_steps)
        if plan.phase == "probe":
            return done + plan.num_steps + later
        return planned_steps(self._config, sweeps, run_steps=self._run_steps)

    def _left(self) -> str:
        return f"about {self._pace_s * (self._planned - self._taken):.0f} s"

    def _say(self, line: str) -> None:
        assert self._bar is not None
        self._bar.console.print(line, highlight=False)


def _make_bar(total: int) -> Progress:
    from rich.console import Console  # noqa: PLC0415 - slow to load, for those who see a bar
    from rich.progress import (  # noqa: PLC0415 - as above
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(file=sys.stderr, force_terminal=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True)
    bar.add_task("range test", total=total)
    return bar
