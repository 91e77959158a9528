"""What can go wrong between a caller and the service.

ClientError
├── Unreachable        nobody answered at this address
├── Refused            the service answered with a problem (RFC 9457): status, code, detail, errors
├── NotReady           the range test has no bounds yet
├── StillRunning       `wait(timeout_s=...)` ran out; the job goes on
├── JobFailed          the job, or a whole comparison, ended without a result: reason, message
├── Inconclusive       the curve gives no trustworthy bounds: why, next_experiment, candidates
└── CannotServe        the embedded service could not start, or may not
"""

from typing import Any


class ClientError(Exception):
    """Whatever the client raises; its text is one clear sentence for a person."""


class Unreachable(ClientError):
    """Nobody answered at this address."""


class Refused(ClientError):
    """The service answered with a problem; `errors` lists {pointer, message} of each bad field."""

    def __init__(self, status: int, problem: dict[str, Any], retry_after_s: float | None = None) -> None:
        self.status = status
        self.retry_after_s = retry_after_s
        self.problem = problem
        self.code = str(problem.get("code", ""))
        self.detail = str(problem.get("detail") or problem.get("title") or f"HTTP {status}")
        self.errors: list[dict[str, Any]] = problem.get("errors") or []
        fields = [f"{error.get('pointer', '')}: {error.get('message', '')}" for error in self.errors]
        super().__init__("\n  ".join([self.detail, *(field for field in fields if field != self.detail)]))


class NotReady(ClientError):
    """The range test has no bounds yet; `wait()` for it."""


class StillRunning(ClientError, TimeoutError):
    """The job was not done in time; it goes on."""


class JobFailed(ClientError):
    """The job ended without a result: `reason` is a stable code, `message` a sentence."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        self.message = message
        super().__init__(f"{reason}: {message}" if message else reason)


class Inconclusive(ClientError):
    """The curve gives no trustworthy bounds.

    why: stable code. next_experiment: {"message", "request"}, the fields to POST again. candidates: what
    other finders' rules would have said, each {"name", "lr", "note"}.
    """

    def __init__(self, problem: dict[str, Any]) -> None:
        self.problem = problem
        self.why = str(problem.get("why", ""))
        self.detail = str(problem.get("detail", ""))
        self.next_experiment: dict[str, Any] = problem.get("next_experiment") or {}
        self.candidates: list[dict[str, Any]] = problem.get("candidates") or []
        super().__init__(f"{self.why}: {self.detail}")


class CannotServe(ClientError):
    """The embedded service could not start, or may not."""
