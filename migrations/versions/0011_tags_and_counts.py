"""Lists by tag, workload and status, and how many jobs ended: each costs the same for a million jobs.

The tags of the jobs that are there become rows, and those that ended are counted.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

RESUMED = sa.text("resume_from IS NOT NULL")
ELEMENTS = {
    "sqlite": "json_each(jobs.tags) AS one",
    "postgresql": "json_array_elements_text(jobs.tags) AS one(value)",
}


def upgrade() -> None:
    op.create_table(
        "job_tags",
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("tag", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "tag"),
    )
    elements = ELEMENTS[op.get_bind().dialect.name]
    op.execute(
        "INSERT INTO job_tags (job_id, tag, kind, created_at) "
        f"SELECT DISTINCT jobs.id, one.value, jobs.kind, jobs.created_at FROM jobs, {elements}"
    )
    op.create_index("job_tags_by_age", "job_tags", ["kind", "tag", "created_at", "job_id"])
    op.execute(
        "INSERT INTO counters (name, label, value) SELECT 'ended_jobs', status, count(*) FROM jobs "
        "WHERE status IN ('succeeded', 'failed', 'cancelled') AND kind <> 'sweep' GROUP BY status"
    )
    for name in ("jobs_by_status", "jobs_of_all_kinds_by_age", "ix_jobs_workload"):
        op.drop_index(name, "jobs")
    op.create_index("jobs_by_status", "jobs", ["kind", "status", "created_at", "id"])
    op.create_index("jobs_by_workload", "jobs", ["kind", "workload", "created_at", "id"])
    op.create_index("jobs_resumed", "jobs", ["resume_from"], postgresql_where=RESUMED, sqlite_where=RESUMED)


def downgrade() -> None:
    for name in ("jobs_resumed", "jobs_by_workload", "jobs_by_status"):
        op.drop_index(name, "jobs")
    op.create_index("ix_jobs_workload", "jobs", ["workload"])
    op.create_index("jobs_of_all_kinds_by_age", "jobs", ["created_at", "id"])
    op.create_index("jobs_by_status", "jobs", ["status", "created_at", "id"])
    op.execute("DELETE FROM counters WHERE name = 'ended_jobs'")
    op.drop_table("job_tags")
