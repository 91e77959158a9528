"""What removes jobs and comparisons that ended long ago: called by the reaper.

Nothing goes that another job still waits for, goes on from, or that a comparison confirms.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session, aliased

from store import checkpoints, chores, comparisons, jobs
from store.artifacts import Artifacts
from store.database import Database, now
from store.errors import Conflict, NotFound
from store.models import Comparison, ComparisonTag, Job, JobTag
from store.settings import Settings
from store.status import ASKED, FINAL

log = logging.getLogger(__name__)

AT_ONCE = 100  # removals of one look
DAY_S = 86_400.0

Remove = Callable[
    [Session, str], list[str]
]  # deletes what has this id; answers the ids of the jobs that went


def remove_old(database: Database, settings: Settings, artifacts: Artifacts) -> int:
    """Remove some of what is older than it is kept, the oldest first; answers how many."""
    removed = 0
    for rule in _list_rules(settings):
        with database.read() as session:
            old: list[tuple[Remove, str]] = [
                (comparisons.remove, id) for id in _find_comparisons(session, rule)
            ]
            old += [(_remove_job, id) for id in _find_jobs(session, rule)]
        for remove, id in old[: AT_ONCE - removed]:
            removed += _remove(database, artifacts, remove, id, days=rule.days)
    return removed


def _remove(
    database: Database,
    artifacts: Artifacts,
    remove: Remove,
    id: str,
    *,
    days: float,
) -> int:
    with suppress(NotFound, Conflict):  # another process was faster, or somebody needs it now
        with database.write() as session:
            ids = remove(session, id)
        log.info("removed %s with %d jobs: it ended over %g days ago", id, len(ids), days)
        chores.finish(database, id)
        chores.free(database)
        for job_id in ids:
            checkpoints.forget_files(artifacts, job_id)
        return 1
    return 0


def _remove_job(session: Session, job_id: str) -> list[str]:
    jobs.remove(session, job_id)
    return [job_id]


@dataclass(frozen=True, slots=True)
class Rule:
    """How long what has the tag (None: whatever has) is kept, unless it has one of `longer`."""

    days: float
    tag: str | None
    longer: list[str]

    def holds(self, of_id: ColumnElement[bool], tag: Any) -> list[ColumnElement[bool]]:
        """As conditions; of_id: which tags are those of the row."""
        holds = [~select(tag).where(of_id, tag.in_(self.longer)).exists()]
        return holds if self.tag is None else [*holds, select(tag).where(of_id, tag == self.tag).exists()]


def _list_rules(settings: Settings) -> list[Rule]:
    """One for each tag and one for all else; of several tags the longest time counts."""
    by_tag = settings.keep_days_by_tag
    rules = [
        Rule(days, tag, [other for other, its_days in by_tag.items() if its_days > days])
        for tag, days in by_tag.items()
    ]
    return rules if settings.keep_days is None else [*rules, Rule(settings.keep_days, None, list(by_tag))]


def _find_jobs(session: Session, rule: Rule) -> list[str]:
    """Jobs of no comparison that ended so long ago and that nothing needs, oldest first."""
    before, other = now() - rule.days * DAY_S, aliased(Job)
    needs = or_(other.after_job == Job.id, other.resume_from == Job.id)
    old = (
        select(Job.id)
        .where(Job.kind.in_(ASKED), Job.comparison_id.is_(None), Job.status.in_(FINAL))
        .where(Job.created_at < before, Job.finished_at < before)  # the first has an index
        .where(~select(other.id).where(needs, other.status.not_in(FINAL)).exists(), ~_is_confirmed())
        .where(*rule.holds(JobTag.job_id == Job.id, JobTag.tag))
    )
    return list(session.scalars(old.order_by(Job.created_at).limit(AT_ONCE)))


def _find_comparisons(session: Session, rule: Rule) -> list[str]:
    """Comparisons whose last job ended so long ago, oldest first."""
    before, other = now() - rule.days * DAY_S, aliased(Job)
    young = select(Job.id).where(
        Job.comparison_id == Comparison.id,
        or_(Job.finished_at.is_(None), Job.finished_at >= before),
    )
    needs = select(other.id).join(Job, or_(other.after_job == Job.id, other.resume_from == Job.id))
    needed = needs.where(Job.comparison_id == Comparison.id, other.status.not_in(FINAL))
    confirmed = select(Job.id).where(Job.comparison_id == Comparison.id, _is_confirmed())
    old = (
        select(Comparison.id)
        .where(Comparison.created_at < before, Comparison.chore.is_(None))
        .where(~young.exists(), ~needed.exists(), ~confirmed.exists())
        .where(*rule.holds(ComparisonTag.comparison_id == Comparison.id, ComparisonTag.tag))
    )
    return list(session.scalars(old.order_by(Comparison.created_at).limit(AT_ONCE)))


def _is_confirmed() -> ColumnElement[bool]:
    """Whether a comparison confirms the job that has jobs to run, or some that are not queued yet."""
    confirming, member = aliased(Comparison), aliased(Job)
    is_open = or_(confirming.chore.is_not(None), member.status.not_in(FINAL))
    with_jobs = select(confirming.id).outerjoin(member, member.comparison_id == confirming.id)
    return with_jobs.where(confirming.range_test_id == Job.id, is_open).exists()
