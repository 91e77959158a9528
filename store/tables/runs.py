"""What is measured for a job: runs, curves, analyses, checkpoints."""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class Run(Base):
    """A run, one seed of a sweep or a training: what was planned, and whether it was measured to its end.

    The table has its first name, `sweeps`, as migrations of old databases know it.
    cuts: for each time that rows were dropped, the step from which on.
    """

    __tablename__ = "sweeps"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    sweep: Mapped[int] = mapped_column(primary_key=True)
    seed: Mapped[int] = mapped_column(primary_key=True)
    plan: Mapped[dict[str, Any]]
    finished_at: Mapped[float | None]
    cuts: Mapped[list[int]] = mapped_column(JSON, server_default=text("'[]'"))


class ClientRun(Base):
    """A run that a caller's own process measures: who holds it, until when, and how much of it was received.

    number: counts the runs of the job in the order in which they were asked for.
    kept: of which rows, and then what the next loss is judged by (clr/sweep.py).
    """

    __tablename__ = "client_runs"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    sweep: Mapped[int]
    seed: Mapped[int]
    client_id: Mapped[str] = mapped_column(String(200))
    token: Mapped[str] = mapped_column(String(64))
    spent_tokens: Mapped[list[str]]
    lease_expires_at: Mapped[float]
    received_up_to: Mapped[int]
    diverged: Mapped[bool]
    kept: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    finished_at: Mapped[float | None]


class CurveChunk(Base):
    """A piece of a curve: the columns of one series one after the other, packed as little-endian float64."""

    __tablename__ = "curve_chunks"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    sweep: Mapped[int] = mapped_column(primary_key=True)
    seed: Mapped[int] = mapped_column(primary_key=True)
    series: Mapped[str] = mapped_column(String(16), primary_key=True)
    first_step: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class Analysis(Base):
    """What one version of one rule says of a range test's stored curve."""

    __tablename__ = "analyses"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    analyzer: Mapped[str] = mapped_column(String(64), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(32))
    result: Mapped[dict[str, Any]]
    created_at: Mapped[float]


class Checkpoint(Base):
    """Everything that a training job needs to go on after `step`; `path` lies below its worker's artifacts."""

    __tablename__ = "checkpoints"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int]
    path: Mapped[str] = mapped_column(String(255))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    hostname: Mapped[str] = mapped_column(String(255))
    cycle: Mapped[int | None]
    best: Mapped[bool]
    created_at: Mapped[float]
