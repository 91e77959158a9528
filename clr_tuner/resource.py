"""What the service works on, as its caller sees it: poll it, wait for it, draw, cancel and delete it.

It is one job, or a comparison of many.
"""

import time
from collections.abc import Callable
from typing import Any, ClassVar, Self, get_args

from clr.picture_format import PictureFormat
from clr_tuner.connection import Connection, path_of, read_json, retry_after
from clr_tuner.errors import JobFailed, StillRunning

FINAL = frozenset({"succeeded", "failed", "cancelled"})
PROGRESS_POLL_S = 1.0  # how often `on_progress` hears something new


class Resource:
    """A job or a comparison. Its attributes are as of the last answer; `refresh` and `wait` bring newer ones."""

    noun: ClassVar[str]
    _long_poll_s: ClassVar[float] = 0.0  # how long the service may hold an answer

    def __init__(self, connection: Connection, data: dict[str, Any]) -> None:
        self._connection = connection
        self.data = data

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.status}>"

    @property
    def id(self) -> str:
        """The id, as in its address."""
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
    def progress(self) -> dict[str, Any]:
        """{"completed", "total", "unit", of a job "phase" and "updated_at"}; empty before its first step."""
        return self.data.get("progress") or {}

    def refresh(self) -> Self:
        """Ask how it stands, once."""
        self._poll(wait_s=0.0)
        return self

    def wait(
        self, timeout_s: float | None = None, on_progress: Callable[["Resource"], None] | None = None
    ) -> Self:
        """Wait until it is final; `on_progress` is called after each poll with what is in progress.

        That is this one, or the range test that a training job waits for.
        Raises `JobFailed` when it failed or was cancelled, `StillRunning` after `timeout_s` seconds.
        """
        deadline = time.monotonic() + (float("inf") if timeout_s is None else timeout_s)
        longest_s = min(PROGRESS_POLL_S, self._long_poll_s) if on_progress else self._long_poll_s
        while True:
            asked_at = time.monotonic()
            retry_after_s = self._poll(wait_s=max(0.0, min(longest_s, deadline - asked_at)))
            if on_progress:
                on_progress(self._in_progress())
            if self.is_final:
                break
            now_at = time.monotonic()
            if now_at >= deadline:
                raise StillRunning(
                    f"{self.noun} {self.id} is {self.status} after {timeout_s:g} s; it goes on"
                ).of(self.data)
            time.sleep(max(0.0, min(asked_at + retry_after_s, deadline) - now_at))
        if self.status != "succeeded":
            raise self._failure()
        return self

    def plot(self, format: PictureFormat = "svg") -> bytes:
        """The picture of what was measured, as a file of this format. Raises ValueError for another."""
        if format not in get_args(PictureFormat):
            raise ValueError(f"format must be one of {', '.join(get_args(PictureFormat))}, not {format!r}")
        return self._connection.request("GET", self._path(path_of(f"plot.{format}"))).content

    def cancel(self) -> Self:
        """Stop it; what runs is `cancelling` for up to some seconds. What was measured stays readable."""
        self.data = self._connection.post(self._path("/cancel"))
        return self

    def delete(self) -> None:
        """Remove it with everything measured; it must be final."""
        self._connection.request("DELETE", self._path())

    def _path(self, tail: str = "") -> str:
        return f"{self.data['links']['self']}{tail}"

    def _in_progress(self) -> "Resource":
        """The resource itself, or what it waits for."""
        return self

    def _failure(self) -> JobFailed:
        """Why there is no result."""
        reason = str(self.data.get("reason") or self.status)
        return JobFailed(reason, self.data.get("message") or "", self.data)

    def _poll(self, *, wait_s: float) -> float:
        """Ask once, letting the service hold the answer for up to `wait_s`; when to ask again, seconds."""
        query = {"wait_s": round(wait_s, 3) or None}
        answer = self._connection.request("GET", self._path(), query=query, wait_s=wait_s)
        self.data = read_json(answer)
        return retry_after(answer) or 0.0
