"""Jobs, their tags and their attempts."""

from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base

QUEUED = text("status = 'queued'")
OPEN_OF_CLIENTS = text("driver = 'client' AND finished_at IS NULL")


class Job(Base):
    """A range test or a training job, as something queued and run.

    version: counts what changed but for the progress; changed_at: when the last of it did.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("project", "kind", "idempotency_key", name="jobs_by_idempotency_key"),
        Index("jobs_by_age", "kind", "created_at", "id"),
        Index("jobs_by_status", "kind", "status", "created_at", "id"),
        Index("jobs_by_workload", "kind", "workload", "created_at", "id"),
        Index("jobs_of_project", "project", "kind", "created_at", "id"),
        Index("jobs_of_key", "key_id", "created_at", postgresql_where=text("key_id IS NOT NULL"),
              sqlite_where=text("key_id IS NOT NULL")),
        Index("jobs_by_turn", "project", "priority", "turn", "created_at", "id",
              postgresql_where=QUEUED, sqlite_where=QUEUED),
        Index("jobs_by_priority", "project", "priority", "created_at", "id",
              postgresql_where=QUEUED, sqlite_where=QUEUED),
        Index("jobs_after", "after_job"),
        Index("jobs_by_change", "changed_at"),
        Index("jobs_resumed", "resume_from", postgresql_where=text("resume_from IS NOT NULL"),
              sqlite_where=text("resume_from IS NOT NULL")),
        Index("jobs_of_comparison", "comparison_id", "status"),
        Index("jobs_made_for", "made_for", postgresql_where=text("made_for IS NOT NULL"),
              sqlite_where=text("made_for IS NOT NULL")),
        Index("jobs_of_clients", "progressed_at", postgresql_where=OPEN_OF_CLIENTS, sqlite_where=OPEN_OF_CLIENTS),
        Index("jobs_leased", "lease_expires_at", postgresql_where=text("lease_expires_at IS NOT NULL"),
              sqlite_where=text("lease_expires_at IS NOT NULL")),
    )  # fmt: skip

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    project: Mapped[str] = mapped_column(String(64), server_default=text("'default'"))
    key_id: Mapped[str | None] = mapped_column(String(36))  # of who asked for it
    kind: Mapped[str] = mapped_column(String(32))
    name: Mapped[str | None] = mapped_column(String(200))
    tags: Mapped[list[str]]
    workload: Mapped[str] = mapped_column(String(200))
    driver: Mapped[str] = mapped_column(String(16), server_default=text("'worker'"))
    config: Mapped[dict[str, Any]]
    timeout_s: Mapped[float | None]
    after_job: Mapped[str | None] = mapped_column(String(36))
    made_for: Mapped[str | None] = mapped_column(String(36))
    resume_from: Mapped[str | None] = mapped_column(String(36))
    comparison_id: Mapped[str | None] = mapped_column(String(36))
    label: Mapped[str | None]
    priority: Mapped[int] = mapped_column(server_default=text("1"))
    turn: Mapped[int] = mapped_column(server_default=text("0"))
    status: Mapped[str] = mapped_column(String(16))
    outcome: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str | None] = mapped_column(String(32))
    message: Mapped[str | None]
    result: Mapped[dict[str, Any] | None]
    progress: Mapped[dict[str, Any] | None]
    progressed_at: Mapped[float | None]
    attempt: Mapped[int]
    lease_expires_at: Mapped[float | None]
    cancel_requested_at: Mapped[float | None]
    created_at: Mapped[float]
    started_at: Mapped[float | None]
    finished_at: Mapped[float | None]
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    request_hash: Mapped[str | None] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(server_default=text("0"))
    changed_at: Mapped[float] = mapped_column(server_default=text("0"))


class JobTag(Base):
    """One of the tags of a job, for lists: those of one tag lie side by side, by age, of all projects and of each."""

    __tablename__ = "job_tags"
    __table_args__ = (
        Index("job_tags_by_age", "kind", "tag", "created_at", "job_id"),
        Index("job_tags_of_project", "project", "kind", "tag", "created_at", "job_id"),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(64), primary_key=True)
    project: Mapped[str] = mapped_column(String(64), server_default=text("'default'"))
    kind: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[float]


class Attempt(Base):
    """One claim of a job: who held it, in which process, and how that ended."""

    __tablename__ = "attempts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    worker_id: Mapped[str] = mapped_column(String(36), index=True)
    ring_id: Mapped[str] = mapped_column(String(36), index=True)
    pid: Mapped[int]
    started_at: Mapped[float]
    finished_at: Mapped[float | None]
    ended: Mapped[str | None] = mapped_column(String(32))
