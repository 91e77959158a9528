"""What the next loss of a caller's sweep is judged by, so that a report need not read all losses before it."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("client_runs", sa.Column("kept", sa.JSON(none_as_null=True), nullable=True))


def downgrade() -> None:
    op.drop_column("client_runs", "kept")
