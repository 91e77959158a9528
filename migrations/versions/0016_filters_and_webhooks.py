"""Lists of comparisons by tag, workload and range test: each costs the same for a million of them.

The tags of the comparisons that are there become rows. And webhooks, with what is to be delivered to them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

DUE = sa.text("next_attempt_at IS NOT NULL")
ELEMENTS = {
    "sqlite": "json_each(comparisons.tags) AS one",
    "postgresql": "json_array_elements_text(comparisons.tags) AS one(value)",
}


def upgrade() -> None:
    op.create_table(
        "comparison_tags",
        sa.Column("comparison_id", sa.String(length=36), nullable=False),
        sa.Column("tag", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["comparison_id"], ["comparisons.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("comparison_id", "tag"),
    )
    elements = ELEMENTS[op.get_bind().dialect.name]
    op.execute(
        "INSERT INTO comparison_tags (comparison_id, tag, created_at) "
        f"SELECT DISTINCT comparisons.id, one.value, comparisons.created_at FROM comparisons, {elements}"
    )
    op.create_index("comparison_tags_by_age", "comparison_tags", ["tag", "created_at", "comparison_id"])
    op.create_index("comparisons_by_workload", "comparisons", ["workload", "created_at", "id"])
    op.drop_index("comparisons_of_range_test", "comparisons")
    op.create_index("comparisons_of_range_test", "comparisons", ["range_test_id", "created_at", "id"])
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("project", sa.String(length=64), server_default=sa.text("'default'"), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("secret", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("webhook_id", sa.String(length=36), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=True),
        sa.Column("body", sa.String(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Integer(), nullable=True),
        sa.Column("message", sa.String(), nullable=True),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("next_attempt_at", sa.Float(precision=53), nullable=True),
        sa.Column("finished_at", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "deliveries_due",
        "deliveries",
        ["webhook_id", "next_attempt_at"],
        postgresql_where=DUE,
        sqlite_where=DUE,
    )
    op.create_index("deliveries_by_age", "deliveries", ["webhook_id", "created_at", "id"])


def downgrade() -> None:
    op.drop_table("deliveries")
    op.drop_table("webhooks")
    op.drop_index("comparisons_of_range_test", "comparisons")
    op.create_index("comparisons_of_range_test", "comparisons", ["range_test_id"])
    op.drop_index("comparisons_by_workload", "comparisons")
    op.drop_table("comparison_tags")
