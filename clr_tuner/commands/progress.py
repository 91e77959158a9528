"""The progress of what the service works on, on stderr while a command waits for it."""

import sys
from contextlib import suppress
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from clr_tuner.commands.terminal import printable, say
from clr_tuner.errors import ClientError
from clr_tuner.job import Job
from clr_tuner.resource import Resource

ASK_EVERY = 5  # polls, between two looks at why a job is queued still


class ProgressReport:
    """Shows on stderr how far one thing is, and then another: a bar on a terminal, elsewhere a line each quarter.

    Give it to `Resource.wait(on_progress=...)`.
    """

    def __init__(self) -> None:
        console = Console(file=sys.stderr)
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[unit]}", markup=False),
                TimeElapsedColumn(),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task("queued", total=None, unit="")
        self._of = ""
        self._said = ""
        self._queued, self._reason = 0, ""

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, resource: Resource) -> None:
        """Show where it is now."""
        completed, total = resource.progress.get("completed") or 0, resource.progress.get("total")
        phase = resource.progress.get("phase")
        doing = f": {phase}" if phase and not resource.is_final else self._why(resource)
        what = f"{resource.status}{doing}"
        unit = resource.progress.get("unit") or "steps"
        self.show(what, completed, None if resource.is_final else total, unit, of=resource.id)

    def show(self, what: str, completed: int, total: int | None, unit: str = "steps", *, of: str) -> None:
        """Show how far this is. of: the thing that is in progress; another one gets a bar of its own."""
        what, unit = printable(what), printable(unit)
        if self._bar:
            if self._of not in ("", of):
                self._bar.remove_task(self._task)
                self._task = self._bar.add_task(what, total=None, unit="")
            self._of = of
            self._bar.update(self._task, description=what, completed=completed, total=total, unit=unit)
            return
        quarter = int(4 * completed / total) * 25 if total else 0
        line = f"{what}, {quarter} % of {total} {unit}" if quarter else what
        if line != self._said:
            say(line, err=True)
            self._said = line

    def _why(self, resource: Resource) -> str:
        """Why it is queued still, asked now and then."""
        if resource.status != "queued" or not isinstance(resource, Job):
            return ""
        if self._queued % ASK_EVERY == ASK_EVERY - 1:
            with suppress(ClientError):
                self._reason = resource.why_queued()
        self._queued += 1
        return f": {self._reason}" if self._reason else ""
