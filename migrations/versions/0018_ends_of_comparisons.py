"""When a comparison was found to have ended, of which webhooks are told; those that had ended are not told any more.

Deliveries are found by when they ended, so that old ones can go.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

UNFINISHED = sa.text("finished_at IS NULL")
ENDED = sa.text("finished_at IS NOT NULL")
END = """
UPDATE comparisons
SET finished_at = (SELECT coalesce(max(jobs.finished_at), comparisons.created_at) FROM jobs
                   WHERE jobs.comparison_id = comparisons.id)
WHERE plan IS NULL AND NOT EXISTS (
    SELECT 1 FROM jobs
    WHERE jobs.comparison_id = comparisons.id AND jobs.status IN ('queued', 'running', 'cancelling'))
"""


def upgrade() -> None:
    op.drop_index("jobs_of_comparison", "jobs")
    op.create_index("jobs_of_comparison", "jobs", ["comparison_id", "status"])
    op.add_column("comparisons", sa.Column("finished_at", sa.Float(precision=53), nullable=True))
    op.execute(END)
    op.create_index(
        "comparisons_unfinished", "comparisons", ["id"], postgresql_where=UNFINISHED, sqlite_where=UNFINISHED
    )
    op.add_column("deliveries", sa.Column("comparison_id", sa.String(length=36), nullable=True))
    op.create_index(
        "deliveries_by_end", "deliveries", ["finished_at"], postgresql_where=ENDED, sqlite_where=ENDED
    )


def downgrade() -> None:
    op.drop_index("deliveries_by_end", "deliveries")
    op.execute("DELETE FROM deliveries WHERE comparison_id IS NOT NULL")
    op.drop_column("deliveries", "comparison_id")
    op.drop_index("comparisons_unfinished", "comparisons")
    op.drop_column("comparisons", "finished_at")
    op.drop_index("jobs_of_comparison", "jobs")
    op.create_index("jobs_of_comparison", "jobs", ["comparison_id"])
