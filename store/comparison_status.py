"""How a comparison stands, which follows from its jobs: told of one, and asked of the database for lists."""

from collections import Counter

from sqlalchemy import ColumnElement, case, null, or_, select

from store.models import Comparison, Job
from store.status import FINAL, Chore, Kind, Status

Counts = Counter[tuple[str, str]]  # jobs, by (kind, status)
ENDS = (Status.SUCCEEDED, Status.CANCELLED, Status.FAILED)  # of a comparison: the first that a training has


def status_of(comparison: Comparison, counts: Counts) -> Status:
    """Its status; counts: of its jobs that are there.

    Running until all of them are final, and then what the best of its trainings is.
    """
    open_ones = {status for _, status in counts if status not in FINAL}
    pending = counts.total() < comparison.num_jobs
    if not open_ones and not pending:
        trained = {status for kind, status in counts if kind == Kind.TRAINING_JOB}
        return next((status for status in ENDS if status in trained), Status.SUCCEEDED)
    if comparison.chore == Chore.CANCEL or (open_ones == {Status.CANCELLING} and not pending):
        return Status.CANCELLING
    return Status.QUEUED if {status for _, status in counts} <= {Status.QUEUED} else Status.RUNNING


def is_open() -> ColumnElement[bool]:
    """Whether one of its jobs has not ended, or is not there yet."""
    return or_(Comparison.plan != null(), _has(Job.status.not_in(FINAL)))


def stands_at(status: Status) -> ColumnElement[bool]:
    """Whether `status_of` is this one."""
    unstopped = or_(Comparison.plan != null(), _has(Job.status.in_((Status.QUEUED, Status.RUNNING))))
    of_open = case(
        (or_(Comparison.chore == Chore.CANCEL, ~unstopped), Status.CANCELLING),
        (_has(Job.status != Status.QUEUED), Status.RUNNING),
        else_=Status.QUEUED,
    )
    trained = [(_has(Job.kind == Kind.TRAINING_JOB, Job.status == end), end) for end in ENDS]
    return case((is_open(), of_open), *trained, else_=Status.SUCCEEDED) == status


def _has(*which: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(Job.id).where(Job.comparison_id == Comparison.id, *which).exists()
