"""Webhooks and their deliveries."""

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base

DUE = text("next_attempt_at IS NOT NULL")
ENDED = text("finished_at IS NOT NULL")


class Webhook(Base):
    """Where to call when a job or a comparison of its project ends."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    project: Mapped[str] = mapped_column(String(64), server_default=text("'default'"))
    url: Mapped[str] = mapped_column(String(2000))
    events: Mapped[list[str]]
    secret: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[float]


class Delivery(Base):
    """One call of a webhook: written with what it tells of, sent until it is taken or given up.

    body: fixed at the first attempt. next_attempt_at: null once nothing is left to do.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("deliveries_due", "webhook_id", "next_attempt_at", postgresql_where=DUE, sqlite_where=DUE),
        Index("deliveries_by_age", "webhook_id", "created_at", "id"),
        Index("deliveries_by_end", "finished_at", postgresql_where=ENDED, sqlite_where=ENDED),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event: Mapped[str] = mapped_column(String(32))
    job_id: Mapped[str | None] = mapped_column(String(36))
    comparison_id: Mapped[str | None] = mapped_column(String(36))
    body: Mapped[str | None]
    status: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    answer: Mapped[int | None]
    message: Mapped[str | None]
    created_at: Mapped[float]
    next_attempt_at: Mapped[float | None]
    finished_at: Mapped[float | None]
