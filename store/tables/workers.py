"""Workers, what they offer, and what is counted."""

from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class Counter(Base):
    """Something that happened so often (store/counters.py)."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    label: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[float]


class Workload(Base):
    """A workload as its workers published it."""

    __tablename__ = "workloads"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    description: Mapped[str]
    params_schema: Mapped[dict[str, Any]]
    default_optimizer: Mapped[dict[str, Any]]
    default_batch_size: Mapped[int]
    published_at: Mapped[float]
    installation: Mapped[str | None] = mapped_column(String(64))
    optimizers: Mapped[dict[str, Any] | None]  # beside torch's, by name


class Worker(Base):
    """A worker: one Celery parent with its slots."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    hostname: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    slots: Mapped[int]
    device: Mapped[str] = mapped_column(String(100))
    workloads: Mapped[list[str]]
    started_at: Mapped[float]
    seen_at: Mapped[float]
