"""The sweeps that are measured ahead for a range test are found by it."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    where = sa.text("made_for IS NOT NULL")
    op.create_index("jobs_made_for", "jobs", ["made_for"], postgresql_where=where, sqlite_where=where)


def downgrade() -> None:
    op.drop_index("jobs_made_for", "jobs")
