"""The optimizers that are installed where a workload was published."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("workloads", sa.Column("optimizers", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("workloads", "optimizers")
