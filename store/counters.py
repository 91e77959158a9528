"""Counts that outlive jobs and processes: rows of the database, so that every process reads the same.

What is counted in a transaction is written at its very end, in one statement and in one order: rows that many
transactions share are locked for one round trip, and never crosswise.
"""

from bisect import bisect_left
from collections import defaultdict
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from store.models import Counter

ENDED_JOBS = "ended_jobs"  # that are stored, by status
ATTEMPTS = "attempts"  # ended, by how
LEASE_LOSSES = "lease_losses"
FENCED_WRITES = "fenced_writes_refused"  # of a child whose claim was over
CHILD_KILLS = "child_kills"  # by `Kill`
CLAIM_LATENCY = "claim_latency"  # seconds, by the upper bound of the bucket
CLAIM_LATENCY_SUM = "claim_latency_sum"

LATENCY_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)

_PENDING = "counted"


class Kill(StrEnum):
    """Why a worker killed a child of its own."""

    CANCELLED = "cancelled"  #: it was asked to stop and went on
    TIMED_OUT = "timed_out"
    STALLED = "stalled"
    LEASE_LOST = "lease_lost"  #: its job is, or may soon be, another's
    DRAINED = "drained"  #: the worker is stopping


def _adding(insert: Any) -> Any:
    upsert = insert(Counter.__table__)
    return upsert.on_conflict_do_update(
        index_elements=["name", "label"], set_={"value": Counter.value + upsert.excluded.value}
    )


_UPSERTS = {"postgresql": _adding(postgresql.insert), "sqlite": _adding(sqlite.insert)}


def add(session: Session, name: str, label: str = "", *, by: float = 1) -> None:
    """Count, if this transaction commits."""
    session.info.setdefault(_PENDING, defaultdict(float))[name, label] += by


def observe_claim(session: Session, waited_s: float) -> None:
    """Count a claim and how long its job was queued."""
    bounds = [*map(str, LATENCY_BOUNDS_S), "+Inf"]
    add(session, CLAIM_LATENCY, bounds[bisect_left(LATENCY_BOUNDS_S, waited_s)])
    add(session, CLAIM_LATENCY_SUM, by=waited_s)


def write(session: Session) -> None:
    """Write what this transaction counted: the last thing it does, so that it holds shared rows for a moment."""
    pending = session.info.pop(_PENDING, None)
    if not pending:
        return
    rows = [{"name": name, "label": label, "value": by} for (name, label), by in sorted(pending.items())]
    session.connection().execute(_UPSERTS[session.get_bind().dialect.name], rows)


def read(session: Session) -> dict[str, dict[str, float]]:
    """Every count that is not 0: name to label to value."""
    counts: dict[str, dict[str, float]] = defaultdict(dict)
    for row in session.scalars(select(Counter)):
        counts[row.name][row.label] = row.value
    return counts
