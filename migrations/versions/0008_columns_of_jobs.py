"""What SQL asks of a job's config as columns of its own; old rows are filled from their config, which keeps it."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "timeout_s": sa.Float(precision=53),
    "resume_from": sa.String(length=36),
    "label": sa.String(),
    "made_for": sa.String(length=36),
}


def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.add_column("jobs", sa.Column(name, kind, nullable=True))
    jobs = sa.table(
        "jobs",
        *(sa.column(name, sa.String()) for name in ("id", "kind", "after_job")),
        sa.column("created_at", sa.Float()),
        sa.column("config", sa.JSON()),
        *(sa.column(name, kind) for name, kind in COLUMNS.items()),
    )
    op.execute(
        sa.update(jobs).values(
            timeout_s=jobs.c.config["timeout_s"].as_float(),
            resume_from=jobs.c.config["resume_from"].as_string(),
            label=jobs.c.config["label"].as_string(),
        )
    )
    training = jobs.alias("training")
    first = (
        sa.select(training.c.id)
        .where(training.c.after_job == jobs.c.id, training.c.config["range_test_id"].as_string().is_(None))
        .order_by(training.c.created_at, training.c.id)
        .limit(1)
        .scalar_subquery()
    )
    op.execute(sa.update(jobs).where(jobs.c.kind == "range_test").values(made_for=first))


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("jobs", name)
