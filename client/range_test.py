"""A range test as its caller sees it: a job that finds bounds."""

from dataclasses import dataclass
from typing import Any, Self

from client.errors import Inconclusive, JobFailed, NotReady, Refused
from client.job import Job


@dataclass(frozen=True, slots=True)
class Bounds:
    """The learning rates between which the cycle runs, and why.

    base_lr, max_lr: recommended; the intervals are (lowest, highest) over the seeds.
    step_size: steps in half a cycle. snippet: torch code to paste. data: everything the service said.
    """

    base_lr: float
    max_lr: float
    base_lr_interval: tuple[float, float]
    max_lr_interval: tuple[float, float]
    reason_base: str
    reason_max: str
    step_size: int | None
    warnings: tuple[str, ...]
    candidates: tuple[dict[str, Any], ...]
    snippet: str
    data: dict[str, Any]

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read the body of `GET /range-tests/{id}/bounds`."""
        base_low, base_high = data["base_lr_interval"]
        max_low, max_high = data["max_lr_interval"]
        return cls(
            base_lr=data["base_lr"],
            max_lr=data["max_lr"],
            base_lr_interval=(base_low, base_high),
            max_lr_interval=(max_low, max_high),
            reason_base=data["reason_base"],
            reason_max=data["reason_max"],
            step_size=data.get("step_size"),
            warnings=tuple(data.get("warnings", ())),
            candidates=tuple(data.get("candidates", ())),
            snippet=data.get("snippet", ""),
            data=data,
        )


class RangeTest(Job):
    """A range test; `bounds` is what it is for."""

    def bounds(self) -> Bounds:
        """The recommended bounds.

        Raises `Inconclusive` when the curve gives none, `JobFailed`, or `NotReady` before the job is final.
        """
        try:
            answer = self._connection.request("GET", self._path("/bounds"))
        except Refused as refused:
            if refused.code == "inconclusive":
                raise Inconclusive(refused.problem) from None
            if refused.code == "job_failed":
                raise JobFailed(str(refused.problem.get("reason", "")), refused.detail) from None
            raise
        if answer.status_code == 202:
            raise NotReady(f"job {self.id} is {self.status}: no bounds yet")
        return Bounds.from_dict(answer.json())
