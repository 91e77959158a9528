"""Priorities: what is claimed before what; jobs that are there are normal, and come before those of comparisons."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

QUEUED = sa.text("status = 'queued'")
ORDERS = {
    "jobs_by_turn": ["priority", "turn", "created_at", "id"],
    "jobs_by_priority": ["priority", "created_at", "id"],
}


def upgrade() -> None:
    op.add_column("jobs", sa.Column("priority", sa.Integer(), nullable=False, server_default=sa.text("1")))
    op.add_column("jobs", sa.Column("turn", sa.Integer(), nullable=False, server_default=sa.text("0")))
    for name, columns in ORDERS.items():
        op.create_index(name, "jobs", columns, postgresql_where=QUEUED, sqlite_where=QUEUED)


def downgrade() -> None:
    for name in ORDERS:
        op.drop_index(name, "jobs")
    op.drop_column("jobs", "turn")
    op.drop_column("jobs", "priority")
