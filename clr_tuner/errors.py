"""What can go wrong between a caller and the service.

ClientError
├── Unreachable        nobody answered at this address
├── Refused            the service answered with a problem (RFC 9457): status, code, detail, errors
├── NotReady           the range test has no bounds yet
├── StillRunning       `wait(timeout_s=...)` ran out; the job goes on
├── JobFailed          the job, or a whole comparison, ended without a result: reason, message
├── Interrupted        Ctrl-C while a command waited; what it waited for was cancelled
├── NoBounds           the curve gives no trustworthy bounds, as `inconclusive` says
├── CannotServe        the embedded service could not start, or may not
└── NotInstalled       a command needs the service, which is a distribution of its own
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from clr.bounds import Inconclusive

INCONCLUSIVE, DIVERGED, INTERRUPTED = 3, 4, 130  # exit codes of the command line


class ClientError(Exception):
    """Whatever the client raises; its text is one clear sentence for a person.

    about: {"id", "links"} of what it is about; empty where that is not known.
    """

    code = "client_error"
    exit_code: ClassVar[int] = 1
    about: Mapping[str, Any] = {}

    def of(self, resource: Mapping[str, Any]) -> Self:
        """This error, about this resource, as the service told it."""
        self.about = {name: resource[name] for name in ("id", "links") if name in resource}
        return self

    def to_dict(self) -> dict[str, Any]:
        """The same for a program."""
        return {**self.about, "code": self.code, "detail": str(self)}


class Unreachable(ClientError):
    """Nobody answered at this address."""

    code = "unreachable"


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

    def to_dict(self) -> dict[str, Any]:
        """The problem as the service told it."""
        return {**self.about, "code": self.code, "detail": self.detail, **self.problem}


class NotReady(ClientError):
    """The range test has no bounds yet; `wait()` for it."""

    code = "not_ready"


class StillRunning(ClientError, TimeoutError):
    """The job was not done in time; it goes on."""

    code = "still_running"


class Interrupted(ClientError):
    """Ctrl-C; what was waited for is cancelled. data: as the service told it last."""

    code = "interrupted"
    exit_code = INTERRUPTED

    def __init__(self, message: str, data: dict[str, Any]) -> None:
        self.data = data
        super().__init__(message)

    def to_dict(self) -> dict[str, Any]:
        """The resource as the service told it."""
        return self.data


class JobFailed(ClientError):
    """The job ended without a result: `reason` is a stable code, `message` a sentence, `data` what was told of it."""

    code = "job_failed"

    def __init__(self, reason: str, message: str, data: dict[str, Any] | None = None) -> None:
        self.reason = reason
        self.message = message
        self.data = data
        super().__init__(f"{reason}: {message}" if message else reason)

    def to_dict(self) -> dict[str, Any]:
        """The resource as the service told it."""
        return self.data or {**super().to_dict(), "reason": self.reason}


class NoBounds(ClientError):
    """The curve gives no trustworthy bounds. inconclusive: why, and what to try next."""

    code = "inconclusive"
    exit_code = INCONCLUSIVE

    def __init__(self, inconclusive: Inconclusive) -> None:
        self.inconclusive = inconclusive
        super().__init__(str(inconclusive))

    def to_dict(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            **self.about,
            "code": self.code,
            "detail": self.inconclusive.message,
            **self.inconclusive.to_dict(),
        }


class CannotServe(ClientError):
    """The embedded service could not start, or may not."""

    code = "cannot_serve"


class NotInstalled(ClientError):
    """The command needs a distribution that is not installed; the text has the line that installs it."""

    code = "not_installed"
