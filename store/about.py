"""What people call a job or a comparison: its name and tags, which may change at any time."""

from collections.abc import Mapping
from typing import Any, TypedDict

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from store import comparisons, jobs
from store.errors import NotFound
from store.models import Comparison, ComparisonTag, Job, JobTag
from store.status import ASKED, Chore, changed


class About(TypedDict, total=False):
    """What is to change; what is left out stays. A name of None is none."""

    name: str | None
    tags: list[str]


def describe_job(session: Session, job_id: str, about: About) -> Job:
    """Name and tag a job, which lists find by its new tags at once. Raises `NotFound`."""
    job = session.get(Job, job_id, with_for_update=True)
    if job is None or job.kind not in ASKED:
        raise NotFound
    _set(job, {**about, **changed()})
    if "tags" in about:
        session.execute(delete(JobTag).where(JobTag.job_id == job.id))
        row = {name: getattr(job, name) for name in ("id", "project", "kind", "tags", "created_at")}
        if tags := jobs.list_tags([row]):
            session.execute(insert(JobTag), tags)
    return job


def describe_comparison(session: Session, comparison_id: str, about: About) -> Comparison:
    """Name and tag a comparison; its jobs keep theirs. Raises `NotFound`."""
    comparison = session.get(Comparison, comparison_id, with_for_update=True)
    if comparison is None or comparison.chore == Chore.DELETE:
        raise NotFound
    _set(comparison, about)
    if "tags" in about:
        session.execute(delete(ComparisonTag).where(ComparisonTag.comparison_id == comparison_id))
        comparisons.tag(session, comparison)
    return comparison


def _set(row: Job | Comparison, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)
