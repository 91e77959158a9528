"""What can go wrong between the processes; the first docstring line is the default message.

StoreError
├── NotFound          no such row
├── Conflict          the job's status does not allow this move
│   └── ClaimLost     the claim this write belongs to is over
├── LimitReached      a key may not ask for so much
└── KeyReused         an Idempotency-Key came back with another body
"""


class StoreError(Exception):
    """The store refused."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())


class NotFound(StoreError):
    """There is no such job."""


class Conflict(StoreError):
    """The job's status does not allow this."""


class ClaimLost(Conflict):
    """This attempt no longer holds the job; its writes change nothing."""


class KeyReused(StoreError):
    """This Idempotency-Key was used before with another body."""


class LimitReached(StoreError):
    """The key may not ask for so much.

    limit: which one, `allowed` at the most.
    """

    def __init__(self, message: str, *, limit: str, allowed: int, retry_after_s: int) -> None:
        super().__init__(message)
        self.limit, self.allowed, self.retry_after_s = limit, allowed, retry_after_s
