"""What can go wrong between the processes; the first docstring line is the default message.

StoreError
├── NotFound          no such row
├── Conflict          the job's status does not allow this move
│   └── ClaimLost     the claim this write belongs to is over
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
