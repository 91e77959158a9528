"""The tables. Times are unix seconds of the database's clock; status and reason are their codes.

Rows leave this package only as these classes; nobody else writes SQL.
"""

from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

QUEUED = text("status = 'queued'")
DUE = text("next_attempt_at IS NOT NULL")
UNFINISHED = text("finished_at IS NULL")
ENDED = text("finished_at IS NOT NULL")
WITH_CHORE = text("chore IS NOT NULL")
OPEN_OF_CLIENTS = text("driver = 'client' AND finished_at IS NULL")


class Base(DeclarativeBase):
    """The metadata that migrations are compared with."""

    type_annotation_map = {dict[str, Any]: JSON(none_as_null=True), list[str]: JSON, float: Float(53)}  # noqa: RUF012


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
    """One of the tags of a job, for lists: those of one tag lie side by side, by age."""

    __tablename__ = "job_tags"
    __table_args__ = (Index("job_tags_by_age", "kind", "tag", "created_at", "job_id"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(String(64), primary_key=True)
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
    """One of the tags of a comparison, for lists: those of one tag lie side by side, by age."""

    __tablename__ = "comparison_tags"
    __table_args__ = (Index("comparison_tags_by_age", "tag", "created_at", "comparison_id"),)

    comparison_id: Mapped[str] = mapped_column(
        ForeignKey("comparisons.id", ondelete="CASCADE"), primary_key=True
    )
    tag: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_at: Mapped[float]


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
