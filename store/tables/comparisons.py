"""Comparisons and their tags."""

from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base

UNFINISHED = text("finished_at IS NULL")
WITH_CHORE = text("chore IS NOT NULL")


class Comparison(Base):
    """Several training jobs on one workload at an equal budget; how it stands follows from its jobs.

    num_jobs: with those that are still to be queued, which are in `plan`. chore: what is still to be done for it.
    finished_at: when it was found that all its jobs have ended, which webhooks are told with it.
    """

    __tablename__ = "comparisons"
    __table_args__ = (
        UniqueConstraint("project", "idempotency_key", name="comparisons_by_idempotency_key"),
        Index("comparisons_by_age", "created_at", "id"),
        Index("comparisons_of_project", "project", "created_at", "id"),
        Index("comparisons_by_workload", "workload", "created_at", "id"),
        Index("comparisons_of_range_test", "range_test_id", "created_at", "id"),
        Index("comparisons_with_chore", "chore", postgresql_where=WITH_CHORE, sqlite_where=WITH_CHORE),
        Index("comparisons_unfinished", "id", postgresql_where=UNFINISHED, sqlite_where=UNFINISHED),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    project: Mapped[str] = mapped_column(String(64), server_default=text("'default'"))
    name: Mapped[str | None] = mapped_column(String(200))
    tags: Mapped[list[str]]
    workload: Mapped[str] = mapped_column(String(200))
    config: Mapped[dict[str, Any]]
    range_test_id: Mapped[str | None] = mapped_column(String(36))
    num_jobs: Mapped[int] = mapped_column(server_default=text("0"))
    plan: Mapped[dict[str, Any] | None] = mapped_column(deferred=True)
    chore: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[float]
    finished_at: Mapped[float | None]
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    request_hash: Mapped[str | None] = mapped_column(String(64))


class ComparisonTag(Base):
    """One of the tags of a comparison, for lists, as those of a job."""

    __tablename__ = "comparison_tags"
    __table_args__ = (
        Index("comparison_tags_by_age", "tag", "created_at", "comparison_id"),
        Index("comparison_tags_of_project", "project", "tag", "created_at", "comparison_id"),
    )

    comparison_id: Mapped[str] = mapped_column(
        ForeignKey("comparisons.id", ondelete="CASCADE"), primary_key=True
    )
    tag: Mapped[str] = mapped_column(String(64), primary_key=True)
    project: Mapped[str] = mapped_column(String(64), server_default=text("'default'"))
    created_at: Mapped[float]
