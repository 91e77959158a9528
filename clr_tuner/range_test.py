"""A range test as its caller sees it: a job that finds bounds."""

from dataclasses import dataclass
from typing import Any, Self

from clr_tuner.analysis import Analysis
from clr_tuner.comparison import Comparison
from clr_tuner.confirmation import Confirmation
from clr_tuner.connection import read_json
from clr_tuner.errors import Inconclusive, JobFailed, NotReady, Refused
from clr_tuner.job import Job


@dataclass(frozen=True, slots=True)
class Bounds:
    """The learning rates between which the cycle runs, and why.

    base_lr, max_lr: recommended; the intervals are (lowest, highest) over seeds, ranges and the scout's reading.
    constant_lr: for training without cycles. step_size: steps in half a cycle. cost: {"steps", "seconds"}. sensitivity:
    what a max_lr off by 2 and 4 loses; None after a quick test. for_budget: whole cycles for the budget asked for.
    snippet: torch code to paste. confirmation: what training said of them, with effort thorough. data: everything the
    service said.
    """

    base_lr: float
    max_lr: float
    constant_lr: float | None
    base_lr_interval: tuple[float, float]
    max_lr_interval: tuple[float, float]
    reason_base: str
    reason_max: str
    step_size: int | None
    cost: dict[str, float]
    sensitivity: dict[str, Any] | None
    for_budget: dict[str, int] | None
    warnings: tuple[str, ...]
    candidates: tuple[dict[str, Any], ...]
    snippet: str
    confirmation: dict[str, Any] | None
    data: dict[str, Any]

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read the body of `GET /range-tests/{id}/bounds`."""
        base_low, base_high = data["base_lr_interval"]
        max_low, max_high = data["max_lr_interval"]
        return cls(
            base_lr=data["base_lr"],
            max_lr=data["max_lr"],
            constant_lr=data.get("constant_lr"),
            base_lr_interval=(base_low, base_high),
            max_lr_interval=(max_low, max_high),
            reason_base=data["reason_base"],
            reason_max=data["reason_max"],
            step_size=data.get("step_size"),
            cost=data.get("cost", {}),
            sensitivity=data.get("sensitivity"),
            for_budget=data.get("for_budget"),
            warnings=tuple(data.get("warnings", ())),
            candidates=tuple(data.get("candidates", ())),
            snippet=data.get("snippet", ""),
            confirmation=data.get("confirmation"),
            data=data,
        )


class RangeTest(Job):
    """A range test; `bounds` is what it is for."""

    def bounds(self, num_steps: int | None = None, num_epochs: float | None = None) -> Bounds:
        """The recommended bounds; with a budget also the whole cycles that fit it.

        Raises `Inconclusive` when the curve gives none, `JobFailed`, or `NotReady` before the job is final.
        """
        budget = {"num_steps": num_steps, "num_epochs": num_epochs}
        try:
            answer = self._connection.request("GET", self._path("/bounds"), query=budget)
        except Refused as refused:
            if refused.code == "inconclusive":
                raise Inconclusive(refused.problem).of(self.data) from None
            if refused.code == "job_failed":
                reason = str(refused.problem.get("reason", ""))
                raise JobFailed(reason, refused.detail, self.data) from None
            raise refused.of(self.data) from None
        if answer.status_code == 202:
            raise NotReady(f"job {self.id} is {self.status}: no bounds yet").of(self.data)
        return Bounds.from_dict(read_json(answer))

    def confirm(
        self,
        num_seeds: int | None = None,
        num_cycles: int | None = None,
        num_steps: int | None = None,
        num_epochs: float | None = None,
    ) -> Comparison:
        """Queue trainings around the bounds, with seeds that it did not use; what is None is left to the service.

        Once they are done `confirmations` has the verdict. Raises `Refused` (409) where there are no bounds.
        """
        budget = {"num_cycles": num_cycles, "num_steps": num_steps, "num_epochs": num_epochs}
        asked = {"num_seeds": num_seeds, **budget}
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
