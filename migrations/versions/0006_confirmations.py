"""Confirmations: comparisons that put a range test's bounds to the test."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("comparisons", sa.Column("range_test_id", sa.String(length=36), nullable=True))
    op.create_index("comparisons_of_range_test", "comparisons", ["range_test_id"])


def downgrade() -> None:
    op.drop_index("comparisons_of_range_test", "comparisons")
    op.drop_column("comparisons", "range_test_id")
