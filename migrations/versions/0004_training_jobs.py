"""Training jobs: jobs that wait for another, their checkpoints, and comparisons of them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("after_job", sa.String(length=36), nullable=True))
    op.add_column("jobs", sa.Column("comparison_id", sa.String(length=36), nullable=True))
    op.create_index("jobs_after", "jobs", ["after_job"])
    op.create_index("jobs_of_comparison", "jobs", ["comparison_id"])
    op.create_table(
        "checkpoints",
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("hostname", sa.String(length=255), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=True),
        sa.Column("best", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "step"),
    )
    op.create_table(
        "comparisons",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("workload", sa.String(length=200), nullable=False),
        sa.Column("config", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("request_hash", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("idempotency_key"),
    )
    op.create_index("comparisons_by_age", "comparisons", ["created_at", "id"])


def downgrade() -> None:
    op.drop_table("comparisons")
    op.drop_table("checkpoints")
    op.drop_index("jobs_of_comparison", "jobs")
    op.drop_index("jobs_after", "jobs")
    op.drop_column("jobs", "comparison_id")
    op.drop_column("jobs", "after_job")
