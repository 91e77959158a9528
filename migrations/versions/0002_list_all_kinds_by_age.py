"""List jobs of all kinds by age."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("jobs_of_all_kinds_by_age", "jobs", ["created_at", "id"])


def downgrade() -> None:
    op.drop_index("jobs_of_all_kinds_by_age", "jobs")
