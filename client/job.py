"""A job as its caller sees it, whatever its kind: poll it, wait for it, fetch what it measured."""

import time
from collections.abc import Callable
from typing import Any, Literal, Self

from client.connection import Connection, retry_after
from client.errors import JobFailed, StillRunning

FINAL = frozenset({"succeeded", "failed", "cancelled"})
LONG_POLL_S = 30.0
PROGRESS_POLL_S = 1.0  # how often `on_progress` hears something new


class Job:
    """One job. Its attributes are as of the last answer; `refresh` and `wait` bring newer ones."""

    def __init__(self, connection: Connection, data: dict[str, Any]) -> None:
        self._connection = connection
        self.data = data

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.status}>"

    @property
    def id(self) -> str:
        """The job's id, as in its address."""
        return str(self.data["id"])

    @property
    def kind(self) -> str:
        """range_test or training_job."""
        return str(self.data["kind"])

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
        """What the science says of a succeeded job: bounds_found or inconclusive; trained or diverged."""
        return self.data.get("outcome")

    @property
    def progress(self) -> dict[str, Any]:
        """{"phase", "completed", "total", "unit", "updated_at"}; empty before the first step."""
        return self.data.get("progress") or {}

    @property
    def config(self) -> dict[str, Any]:
        """The request with every default resolved; empty in a list of every kind until `refresh`."""
        return self.data.get("config") or {}

    def refresh(self) -> Self:
        """Ask for the job once."""
        self._poll(wait_s=0.0)
        return self

    def wait(
        self, timeout_s: float | None = None, on_progress: Callable[["Job"], None] | None = None
    ) -> Self:
        """Wait until the job is final; `on_progress` is called after each poll with the job that is at work.

        That is this one, or the range test that it waits for.
        Raises `JobFailed` when it failed or was cancelled, `StillRunning` after `timeout_s` seconds.
        """
        deadline = time.monotonic() + (float("inf") if timeout_s is None else timeout_s)
        longest_s = PROGRESS_POLL_S if on_progress else LONG_POLL_S
        while True:
            asked_at = time.monotonic()
            retry_after_s = self._poll(wait_s=max(0.0, min(longest_s, deadline - asked_at)))
            if on_progress:
                on_progress(self._at_work())
            if self.is_final:
                break
            now = time.monotonic()
            if now >= deadline:
                raise StillRunning(f"job {self.id} is {self.status} after {timeout_s:g} s; it goes on")
            time.sleep(max(0.0, min(asked_at + retry_after_s, deadline) - now))
        if self.status != "succeeded":
            raise JobFailed(str(self.data.get("reason") or self.status), self.data.get("message") or "")
        return self

    def curve(self, max_points: int | None = None) -> dict[str, Any]:
        """The raw points in columns, `{"complete", "runs": [...]}`; every point unless `max_points`."""
        curve: dict[str, Any] = self._connection.get(self._path("/curve"), max_points=max_points)
        return curve

    def curve_csv(self, max_points: int | None = None) -> str:
        """The raw points as CSV, one row a point."""
        query = {"format": "csv", "max_points": max_points}
        return self._connection.request("GET", self._path("/curve"), query=query).text

    def plot(self, format: Literal["svg", "png"] = "svg") -> bytes:
        """The picture of the curve."""
        return self._connection.request("GET", self._path(f"/plot.{format}")).content

    def cancel(self) -> Self:
        """Stop the job; a running one is `cancelling` for up to some seconds. The curve stays readable."""
        self.data = self._connection.request("POST", self._path("/cancel")).json()
        return self

    def delete(self) -> None:
        """Remove a finished job with all its points."""
        self._connection.request("DELETE", self._path())

    def _path(self, tail: str = "") -> str:
        return f"{self.data['links']['self']}{tail}"

    def _at_work(self) -> "Job":
        """This job, or the one that it waits for."""
        return self

    def _poll(self, *, wait_s: float) -> float:
        """Ask once, letting the service hold the answer for up to `wait_s`; when to ask again, seconds."""
        query = {"wait_s": round(wait_s, 3) or None}
        answer = self._connection.request("GET", self._path(), query=query, wait_s=wait_s)
        self.data = answer.json()
        return retry_after(answer) or 0.0
