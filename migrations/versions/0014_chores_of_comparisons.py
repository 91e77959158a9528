"""What is still to be done for a comparison, so that it goes in batches and outlives whoever began it."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

WITH_CHORE = sa.text("chore IS NOT NULL")


def upgrade() -> None:
    op.add_column(
        "comparisons", sa.Column("num_jobs", sa.Integer(), nullable=False, server_default=sa.text("0"))
    )
    op.add_column("comparisons", sa.Column("plan", sa.JSON(), nullable=True))
    op.add_column("comparisons", sa.Column("chore", sa.String(length=16), nullable=True))
    op.create_index(
        "comparisons_with_chore",
        "comparisons",
        ["chore"],
        postgresql_where=WITH_CHORE,
        sqlite_where=WITH_CHORE,
    )
    op.execute(
        "UPDATE comparisons SET num_jobs = "
        "(SELECT count(*) FROM jobs WHERE jobs.comparison_id = comparisons.id)"
    )


def downgrade() -> None:
    op.drop_index("comparisons_with_chore", "comparisons")
    op.drop_column("comparisons", "chore")
    op.drop_column("comparisons", "plan")
    op.drop_column("comparisons", "num_jobs")
