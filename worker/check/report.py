"""What `worker.check.__main__` finds: a line for each, ok, warning or problem, and how many there are of each."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from worker.runner import explain


class Unusable(Exception):
    """What comes next cannot be checked; why has been said."""


class Findings:
    """Says each finding, and counts what is wrong."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.problems = self.warnings = 0

    def ok(self, text: str) -> None:
        """This is as it should be."""
        self._say(f"ok       {text}")

    def warning(self, text: str) -> None:
        """This will run, but should be known."""
        self.warnings += 1
        self._say(f"warning  {text}")

    def problem(self, text: str) -> None:
        """This breaks the contract."""
        self.problems += 1
        self._say("\n         ".join(f"problem  {text}".splitlines()))

    def require(self, holds: bool, *, ok: str, problem: str) -> None:
        """One of two lines."""
        if holds:
            self.ok(ok)
        else:
            self.problem(problem)

    def stop(self, *problems: str) -> NoReturn:
        """These break the contract, and what comes next cannot be checked; raises `Unusable`."""
        for problem in problems:
            self.problem(problem)
        raise Unusable

    def stop_at_any(self, problems: Iterable[str]) -> None:
        """Stop if there is one."""
        if breaches := list(problems):
            self.stop(*breaches)

    @contextmanager
    def calling(self, call: str) -> Iterator[None]:
        """Say what the workload's code raises, with the reason that a job would have; raises `Unusable`."""
        try:
            yield
        except Unusable:
            raise
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            reason, message = explain(error)
            start = "\n" if "\n" in message else " "
            self.stop(f"{call} failed, {reason}:{start}{message}")

    def summary(self) -> str:
        """The last line."""
        if not self.problems and not self.warnings:
            return "all is well"
        return f"problems: {self.problems}, warnings: {self.warnings}"
