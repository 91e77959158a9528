"""Keys with their projects, and whose jobs and comparisons are; what was there is of the project `default`."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

QUEUED = sa.text("status = 'queued'")
QUEUES = {"jobs_by_turn": ["priority", "turn"], "jobs_by_priority": ["priority"]}
DEFAULT = sa.text("'default'")
OF_KEYS = sa.text("key_id IS NOT NULL")
FORMER = {  # constraints: the columns they had, their name on Postgres and in a copy of SQLite's table
    "jobs": (["kind", "idempotency_key"], "jobs_kind_idempotency_key_key", "uq_jobs_kind"),
    "comparisons": (
        ["idempotency_key"],
        "comparisons_idempotency_key_key",
        "uq_comparisons_idempotency_key",
    ),
}
NAMES = {"uq": "uq_%(table_name)s_%(column_0_name)s"}


def upgrade() -> None:
    for table, (columns, *names) in FORMER.items():
        with op.batch_alter_table(table, naming_convention=NAMES) as batch:
            batch.add_column(
                sa.Column("project", sa.String(length=64), nullable=False, server_default=DEFAULT)
            )
            if table == "jobs":
                batch.add_column(sa.Column("key_id", sa.String(length=36), nullable=True))
            batch.drop_constraint(_pick(*names), type_="unique")
            batch.create_unique_constraint(f"{table}_by_idempotency_key", ["project", *columns])
    op.create_index("jobs_of_project", "jobs", ["project", "kind", "created_at", "id"])
    op.create_index(
        "jobs_of_key", "jobs", ["key_id", "created_at"], postgresql_where=OF_KEYS, sqlite_where=OF_KEYS
    )
    op.create_index("comparisons_of_project", "comparisons", ["project", "created_at", "id"])
    _order_queues(["project"])
    _create_tables()


def _order_queues(first: list[str]) -> None:
    for name, columns in QUEUES.items():
        op.drop_index(name, "jobs")
        columns = [*first, *columns, "created_at", "id"]
        op.create_index(name, "jobs", columns, postgresql_where=QUEUED, sqlite_where=QUEUED)


def _pick(on_postgres: str, on_sqlite: str) -> str:
    return on_postgres if op.get_bind().dialect.name == "postgresql" else on_sqlite


def _create_tables() -> None:
    op.create_table(
        "projects",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("claims", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("claimed_at", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("queued_jobs", sa.Integer(), nullable=True),
        sa.Column("steps_a_day", sa.BigInteger(), nullable=True),
        sa.Column("requests_a_minute", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=True),
        sa.Column("expires_at", sa.Float(precision=53), nullable=True),
        sa.Column("revoked_at", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("prefix"),
    )
    op.create_index("keys_by_age", "keys", ["created_at", "id"])
    op.create_table(
        "key_sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=36), nullable=True),
        sa.Column("proof", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("ix_key_sessions_expires_at", "key_sessions", ["expires_at"])
    op.create_table(
        "audit",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=True),
        sa.Column("key_name", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_by_age", "audit", ["created_at", "id"])


def downgrade() -> None:
    for table in ("audit", "key_sessions", "keys", "projects"):
        op.drop_table(table)
    _order_queues([])
    op.drop_index("comparisons_of_project", "comparisons")
    op.drop_index("jobs_of_key", "jobs")
    op.drop_index("jobs_of_project", "jobs")
    for table, (columns, *names) in FORMER.items():
        _forget_repeated_keys(table)
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(f"{table}_by_idempotency_key", type_="unique")
            batch.drop_column("project")
            if table == "jobs":
                batch.drop_column("key_id")
            batch.create_unique_constraint(_pick(*names), columns)


def _forget_repeated_keys(table: str) -> None:
    """Idempotency-Keys are unique within a project now: other projects' are let go, as they may be the same."""
    rows = sa.table(table, sa.column("project", sa.String()), sa.column("idempotency_key", sa.String()))
    op.execute(sa.update(rows).where(rows.c.project != "default").values(idempotency_key=None))
