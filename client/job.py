"""A range test as its caller sees it: poll it, wait for it, fetch what it found."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

from client.connection import Connection, retry_after
from client.errors import Inconclusive, JobFailed, NotReady, Refused, StillRunning

FINAL = frozenset({"succeeded", "failed", "cancelled"})
LONG_POLL_S = 30.0
PROGRESS_POLL_S = 1.0  # how often `on_progress` hears something new


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


class Job:
    """One range test. Its attributes are as of the last answer; `refresh` and `wait` bring newer ones."""

    def __init__(self, connection: Connection, data: dict[str, Any]) -> None:
        self._connection = connection
        self.data = data

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.status}>"

    @property
    def id(self) -> str:
        """The job's id, as in its address."""
        return str(self.data["id"])

    @property
    def status(self) -> str:
        """How the execution stands: queued, running, cancelling, succeeded, failed or cancelled."""
        return str(self.data["status"])

    @property
    def is_final(self) -> bool:
        """Whether the status will not change any more."""
        return self.status in FINAL

    @property
    def outcome(self) -> str | None:
        """What the science says of a succeeded range test: bounds_found or inconclusive."""
        return self.data.get("outcome")

    @property
    def progress(self) -> dict[str, Any]:
        """{"phase", "completed", "total", "unit", "updated_at"}; empty before the first step."""
        return self.data.get("progress") or {}

    @property
    def config(self) -> dict[str, Any]:
        """The request with every default resolved."""
        return self.data.get("config") or {}

    def refresh(self) -> Self:
        """Ask for the job once."""
        self._poll(wait_s=0.0)
        return self

    def wait(
        self, timeout_s: float | None = None, on_progress: Callable[["Job"], None] | None = None
    ) -> Self:
        """Wait until the job is final; `on_progress` is called with it after each poll.

        Raises `JobFailed` when it failed or was cancelled, `StillRunning` after `timeout_s` seconds.
        """
        deadline = time.monotonic() + (float("inf") if timeout_s is None else timeout_s)
        longest_s = PROGRESS_POLL_S if on_progress else LONG_POLL_S
        while True:
            asked_at = time.monotonic()
            retry_after_s = self._poll(wait_s=max(0.0, min(longest_s, deadline - asked_at)))
            if on_progress:
                on_progress(self)
            if self.is_final:
                break
            now = time.monotonic()
            if now >= deadline:
                raise StillRunning(f"job {self.id} is {self.status} after {timeout_s:g} s; it goes on")
            time.sleep(max(0.0, min(asked_at + retry_after_s, deadline) - now))
        if self.status != "succeeded":
            raise JobFailed(str(self.data.get("reason") or self.status), self.data.get("message") or "")
        return self

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

    def curve(self, max_points: int | None = None) -> dict[str, Any]:
        """The raw points in columns, `{"complete", "runs": [...]}`; every point unless `max_points`."""
        curve: dict[str, Any] = self._connection.get(self._path("/curve"), max_points=max_points)
        return curve

    def curve_csv(self, max_points: int | None = None) -> str:
        """The raw points as CSV, one row a point."""
        query = {"format": "csv", "max_points": max_points}
        return self._connection.request("GET", self._path("/curve"), query=query).text

    def plot(self, format: Literal["svg", "png"] = "svg") -> bytes:
        """The picture of the curve with both bounds."""
        return self._connection.request("GET", self._path(f"/plot.{format}")).content

    def cancel(self) -> Self:
        """Stop the job; a running one is `cancelling` for up to some seconds. The curve stays readable."""
        self.data = self._connection.request("POST", self._path("/cancel")).json()
        return self

    def delete(self) -> None:
        """Remove a finished job with all its points."""
        self._connection.request("DELETE", self._path())

    def _path(self, tail: str = "") -> str:
        return f"/range-tests/{self.id}{tail}"

    def _poll(self, *, wait_s: float) -> float:
        """Ask once, letting the service hold the answer for up to `wait_s`; when to ask again, seconds."""
        query = {"wait_s": round(wait_s, 3) or None}
        answer = self._connection.request("GET", self._path(), query=query, wait_s=wait_s)
        self.data = answer.json()
        return retry_after(answer) or 0.0
