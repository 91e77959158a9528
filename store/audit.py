"""The audit trail: who made and revoked keys, cancelled and deleted what, and when. Entries are only ever added."""

from enum import StrEnum
from uuid import uuid4

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from store.callers import caller_of, project_of
from store.database import now
from store.models import AuditEntry


class Action(StrEnum):
    """What was done."""

    KEY_MADE = "key_made"
    KEY_REVOKED = "key_revoked"
    JOB_CANCELLED = "job_cancelled"
    JOB_DELETED = "job_deleted"
    COMPARISON_CANCELLED = "comparison_cancelled"
    COMPARISON_DELETED = "comparison_deleted"


def record(session: Session, action: Action, subject: str, *, project: str | None = None) -> None:
    """Note what this session's caller does, if this transaction commits. project: of the subject."""
    caller = caller_of(session)
    session.add(
        AuditEntry(
            id=str(uuid4()),
            created_at=now(),
            action=action,
            subject=subject,
            project=project or project_of(session),
            key=caller.shown if caller else None,
            key_name=caller.name if caller else None,
        )
    )


def find_page(session: Session, *, limit: int, after: tuple[float, str] | None = None) -> list[AuditEntry]:
    """At most `limit` entries, newest first; `after`: (created_at, id) of the last of the page before."""
    query = select(AuditEntry).order_by(AuditEntry.created_at.desc(), AuditEntry.id.desc()).limit(limit)
    if after is not None:
        query = query.where(tuple_(AuditEntry.created_at, AuditEntry.id) < after)
    return list(session.scalars(query))
