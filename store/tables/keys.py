"""Keys, their projects and sessions, and the audit trail."""

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class Project(Base):
    """Whose jobs lie together, and when one of them was claimed last."""

    __tablename__ = "projects"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    claims: Mapped[int] = mapped_column(server_default=text("0"))
    claimed_at: Mapped[float | None]


class Key(Base):
    """A key of a caller's, known by its hash. What is shown of it, its prefix, is no secret."""

    __tablename__ = "keys"
    __table_args__ = (Index("keys_by_age", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    project: Mapped[str] = mapped_column(String(64))
    scope: Mapped[str] = mapped_column(String(16))
    prefix: Mapped[str] = mapped_column(String(16), unique=True)
    secret_hash: Mapped[str] = mapped_column(String(64))
    queued_jobs: Mapped[int | None]
    steps_a_day: Mapped[int | None] = mapped_column(BigInteger)
    requests_a_minute: Mapped[int | None]
    created_at: Mapped[float]
    created_by: Mapped[str | None] = mapped_column(String(200))
    expires_at: Mapped[float | None]
    revoked_at: Mapped[float | None]


class KeySession(Base):
    """A key that a browser has turned into a cookie; key_id is null of a key that a setting holds.

    proof: ties it to the secret of such a key, and tells nothing of it to who has not the cookie.
    """

    __tablename__ = "key_sessions"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    key_id: Mapped[str | None] = mapped_column(ForeignKey("keys.id", ondelete="CASCADE"))
    proof: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[float] = mapped_column(index=True)


class AuditEntry(Base):
    """Something that cannot be undone: who did it, to what, and when."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_by_age", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    created_at: Mapped[float]
    action: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(String(64))
    project: Mapped[str] = mapped_column(String(64))
    key: Mapped[str | None] = mapped_column(String(64))
    key_name: Mapped[str | None] = mapped_column(String(200))
