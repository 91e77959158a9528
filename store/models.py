"""The tables. Times are unix seconds of the database's clock; status and reason are their codes.

Rows leave this package only as these classes; nobody else writes SQL.
"""

from store.tables.base import Base
from store.tables.comparisons import Comparison, ComparisonTag
from store.tables.jobs import OPEN_OF_CLIENTS, QUEUED, Attempt, Job, JobTag
from store.tables.keys import AuditEntry, Key, KeySession, Project
from store.tables.runs import Analysis, Checkpoint, ClientRun, CurveChunk, Run
from store.tables.webhooks import Delivery, Webhook
from store.tables.workers import Counter, Worker, Workload

__all__ = [
    "OPEN_OF_CLIENTS",
    "QUEUED",
    "Analysis",
    "Attempt",
    "AuditEntry",
    "Base",
    "Checkpoint",
    "ClientRun",
    "Comparison",
    "ComparisonTag",
    "Counter",
    "CurveChunk",
    "Delivery",
    "Job",
    "JobTag",
    "Key",
    "KeySession",
    "Project",
    "Run",
    "Webhook",
    "Worker",
    "Workload",
]
