"""Jobs that a caller's own process measures: who drives a job, and who holds its runs."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

OPEN_OF_CLIENTS = sa.text("driver = 'client' AND finished_at IS NULL")


def upgrade() -> None:
    op.add_column(
        "jobs", sa.Column("driver", sa.String(length=16), nullable=False, server_default=sa.text("'worker'"))
    )
    op.create_index(
        "jobs_of_clients",
        "jobs",
        ["progressed_at"],
        postgresql_where=OPEN_OF_CLIENTS,
        sqlite_where=OPEN_OF_CLIENTS,
    )
    op.create_table(
        "client_runs",
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sweep", sa.Integer(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.String(length=200), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("spent_tokens", sa.JSON(), nullable=False),
        sa.Column("lease_expires_at", sa.Float(precision=53), nullable=False),
        sa.Column("received_up_to", sa.Integer(), nullable=False),
        sa.Column("diverged", sa.Boolean(), nullable=False),
        sa.Column("finished_at", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "number"),
    )


def downgrade() -> None:
    op.drop_table("client_runs")
    op.drop_index("jobs_of_clients", "jobs")
    op.drop_column("jobs", "driver")
