"""A range test as its caller sees it: a job that finds bounds."""

from typing import Any

from clr.bounds import Bounds, Inconclusive
from clr.picture_format import PictureFormat
from clr_tuner.analysis import Analysis
from clr_tuner.comparison import Comparison
from clr_tuner.confirmation import Confirmation
from clr_tuner.connection import read_json
from clr_tuner.errors import JobFailed, NoBounds, NotReady, Refused
from clr_tuner.job import Job


class RangeTest(Job):
    """A range test; `bounds` is what it is for."""

    def bounds(
        self, num_steps: int | None = None, num_epochs: float | None = None, policy: str | None = None
    ) -> Bounds | Inconclusive:
        """What it found; with a budget also the rates and whole cycles of such a training, as `for_budget`.

        The picture of it is drawn by the service. Raises `JobFailed`, or `NotReady` before the job is final.
        """
        try:
            return Bounds.from_dict(self.bounds_data(num_steps, num_epochs, policy), draw=_Picture(self))
        except NoBounds as error:
            return error.inconclusive

    def bounds_data(
        self, num_steps: int | None = None, num_epochs: float | None = None, policy: str | None = None
    ) -> dict[str, Any]:
        """The same as the service tells it, for a program. Raises `NoBounds` where it is inconclusive."""
        budget = {"num_steps": num_steps, "num_epochs": num_epochs, "policy": policy}
        try:
            answer = self._connection.request("GET", self._path("/bounds"), query=budget)
        except Refused as refused:
            if refused.code == "inconclusive":
                inconclusive = Inconclusive.from_dict(refused.problem, draw=_Picture(self))
                raise NoBounds(inconclusive).of(self.data) from None
            if refused.code == "job_failed":
                reason = str(refused.problem.get("reason", ""))
                raise JobFailed(reason, refused.detail, self.data) from None
            if refused.code == "job_cancelled":
                raise JobFailed("cancelled", refused.detail, self.data) from None
            raise refused.of(self.data) from None
        if answer.status_code == 202:
            raise NotReady(f"job {self.id} is {self.status}: no bounds yet").of(self.data)
        data: dict[str, Any] = read_json(answer)
        return data

    def confirm(
        self,
        num_seeds: int | None = None,
        num_cycles: int | None = None,
        num_steps: int | None = None,
        num_epochs: float | None = None,
        priority: str | None = None,
    ) -> Comparison:
        """Queue trainings around the bounds, with seeds that it did not use; what is None is left to the service.

        Once they are done `confirmations` has the verdict. Raises `Refused` (409) where there are no bounds.
        """
        budget = {"num_cycles": num_cycles, "num_steps": num_steps, "num_epochs": num_epochs}
        asked = {"num_seeds": num_seeds, "priority": priority, **budget}
        return Comparison(self._connection, self._connection.create(self._path("/confirmations"), asked))

    def confirmations(self) -> list[Confirmation]:
        """Those that were asked for, newest first, each with its verdict as far as it is."""
        items = self._connection.get(self._path("/confirmations"))["items"]
        return [Confirmation.from_dict(self._connection, item) for item in items]

    def analyse(self, rule: str = "bounds") -> Analysis:
        """Read the stored curve again: by our rule as it is now, or by another finder's, as valley or steep.

        Raises `Refused`: 409 before the job is final, 422 for an unknown rule with the names of all.
        """
        return Analysis.from_dict(self._connection.post(self._path("/analyses"), {"rule": rule}))

    def analyses(self) -> list[Analysis]:
        """What was asked so far, newest first."""
        items = self._connection.get(self._path("/analyses"))["items"]
        return [Analysis.from_dict(item) for item in items]


class _Picture:
    """Has the service draw; a copy, pickled or not, has no connection to do so."""

    def __init__(self, range_test: RangeTest) -> None:
        self._range_test = range_test

    def __call__(self, format: PictureFormat) -> bytes:
        return self._range_test.plot(format)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()
