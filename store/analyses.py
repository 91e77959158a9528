"""What rules say of a range test's curve: one row a job and version of a rule."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from store.database import now, upsert
from store.models import Analysis


def keep(session: Session, job_id: str, analyzer: str, *, outcome: str, result: dict[str, Any]) -> Analysis:
    """Store what an analyzer found; the same one finds the same, so an earlier row is replaced by its like."""
    row = {"job_id": job_id, "analyzer": analyzer, "outcome": outcome, "result": result, "created_at": now()}
    upsert(session, Analysis, ["job_id", "analyzer"], row)
    return session.get_one(Analysis, (job_id, analyzer), populate_existing=True)


def of_job(session: Session, job_id: str) -> list[Analysis]:
    """Every analysis of the job, newest first."""
    newest = select(Analysis).where(Analysis.job_id == job_id)
    return list(session.scalars(newest.order_by(Analysis.created_at.desc(), Analysis.analyzer)))
