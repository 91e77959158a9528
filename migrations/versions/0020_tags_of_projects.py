"""Tags say their project: a project's list by a tag that others use as well need not look through theirs."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

OF = {  # table of tags: whose they are, and the columns of its list
    "job_tags": ("job_id", "jobs", ["kind", "tag", "created_at", "job_id"]),
    "comparison_tags": ("comparison_id", "comparisons", ["tag", "created_at", "comparison_id"]),
}


def upgrade() -> None:
    for table, (whose, whole, listed) in OF.items():
        default = sa.text("'default'")
        op.add_column(
            table, sa.Column("project", sa.String(length=64), nullable=False, server_default=default)
        )
        op.execute(
            f"UPDATE {table} SET project = (SELECT {whole}.project FROM {whole} WHERE {whole}.id = {table}.{whose})"
        )
        op.create_index(f"{table}_of_project", table, ["project", *listed])


def downgrade() -> None:
    for table in OF:
        op.drop_index(f"{table}_of_project", table)
        op.drop_column(table, "project")
