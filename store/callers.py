"""Who asks, and what of the store is theirs: the one place where projects are kept apart.

A database that is opened for a caller (`Database.within`) shows the rows of that caller's project alone, whatever is
asked of it, and has what is made belong to it. Who has no caller, as a worker, sees everything.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import event, select
from sqlalchemy.orm import ORMExecuteState, Session, aliased, with_loader_criteria

from store.models import (
    Analysis,
    Attempt,
    Checkpoint,
    ClientRun,
    Comparison,
    ComparisonTag,
    CurveChunk,
    Delivery,
    Job,
    JobTag,
    Run,
    Webhook,
)

DEFAULT = "default"  # the project of jobs that were there before projects, and of who needs no key
OWNED = (Job, JobTag, Comparison, ComparisonTag, Webhook)  # rows that say their project
PARTS: dict[Any, tuple[Any, Any]] = {  # rows that are of another's project, by what names that one
    **{part: (part.job_id, Job) for part in (Attempt, Run, ClientRun, CurveChunk, Analysis, Checkpoint)},
    Delivery: (Delivery.webhook_id, Webhook),
}

EVERY_PROJECT = {
    "every_project": True
}  # the execution option of a question that is not the caller's but ours

_CALLER = "caller"


class Scope(StrEnum):
    """What a key may do; each may do what those before it may."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"

    def includes(self, other: "Scope") -> bool:
        """Whether a key of this scope may do what needs the other."""
        return list(Scope).index(self) >= list(Scope).index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one key may ask for; 0: as much as it likes. steps_a_day: of the jobs that it asked for in 24 hours."""

    queued_jobs: int = 0
    steps_a_day: int = 0
    requests_a_minute: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks. key_id, name: of the key, or of the setting that holds it; None where no key is needed.

    session: the hash of the token by which it is known, where a cookie stands for the key.
    """

    key_id: str | None = None
    name: str | None = None
    shown: str | None = None  # of the key: what may be shown of it
    session: str | None = None
    project: str = DEFAULT
    scope: Scope = Scope.ADMIN
    expires_at: float | None = None
    limits: Limits = field(default_factory=Limits)


class CallerSession(Session):
    """A session that may be a caller's."""


def open_for(caller: Caller | None) -> dict[str, object]:
    """The `info` of a session of this caller."""
    return {} if caller is None else {_CALLER: caller}


def caller_of(session: Session) -> Caller | None:
    """Whose session it is; None of one of our own."""
    caller: Caller | None = session.info.get(_CALLER)
    return caller


def project_of(session: Session) -> str:
    """What is made in this session belongs to this project."""
    caller = caller_of(session)
    return DEFAULT if caller is None else caller.project


@event.listens_for(CallerSession, "do_orm_execute")
def _narrow(state: ORMExecuteState) -> None:
    """Add the caller's project to whatever is read, changed or deleted; admins see every project."""
    caller = caller_of(state.session)
    if caller is None or caller.scope == Scope.ADMIN or state.execution_options.get("every_project"):
        return
    if not (state.is_select or state.is_update or state.is_delete):
        return
    state.statement = state.statement.options(*_criteria_of(caller.project))


@lru_cache(maxsize=1_000)
def _criteria_of(project: str) -> list[Any]:
    """What a project adds to each statement; the same objects each time, by which SQLAlchemy knows it again."""
    criteria = [
        with_loader_criteria(table, table.project == project, include_aliases=True) for table in OWNED
    ]
    for part, (whole_id, table) in PARTS.items():
        whole = aliased(table)
        of_own = select(1).where(whole.id == whole_id, whole.project == project).exists()
        criteria.append(with_loader_criteria(part, of_own, include_aliases=True))
    return criteria
