"""What changed since when, for those who follow jobs: versions of jobs, and where the rows of runs were cut."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("version", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column(
        "jobs", sa.Column("changed_at", sa.Float(precision=53), nullable=False, server_default=sa.text("0"))
    )
    op.execute("UPDATE jobs SET changed_at = coalesce(finished_at, progressed_at, started_at, created_at)")
    op.create_index("jobs_by_change", "jobs", ["changed_at"])
    op.add_column("sweeps", sa.Column("cuts", sa.JSON(), nullable=False, server_default=sa.text("'[]'")))


def downgrade() -> None:
    op.drop_column("sweeps", "cuts")
    op.drop_index("jobs_by_change", "jobs")
    op.drop_column("jobs", "changed_at")
    op.drop_column("jobs", "version")
