"""A comparison as the API shows it: how it stands, and its table, a row for each entry."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, Field

from api.comparison_table import Table
from api.requests.body import Moment, moment
from api.root import rooted
from clr.comparison import TEST, Row, compare
from clr.metric import Metric
from clr.spread import Spread
from store.comparison_status import Counts, status_of
from store.models import Comparison, Job
from store.status import FINAL, Outcome, Status

FIELDS = ("id", "project", "name", "tags", "workload", "range_test_id")


class RowView(BaseModel):
    """What became of one entry; `p_value` is against the best mean, null of the best itself."""

    label: str
    schedule: dict[str, Any]
    optimizer: str
    jobs: list[str]
    statuses: dict[str, int]
    final: Spread | None
    best: Spread | None = Field(description="of the best cycle ends")
    num_steps: int | None
    steps_to_target: float | None
    reached: int = Field(description="runs that reached the target")
    diverged: int
    p_value: float | None
    within_noise: bool


class ComparisonStatus(BaseModel):
    """How a comparison stands: succeeded once all jobs are final and one training at least succeeded."""

    id: str
    project: str
    name: str | None
    tags: list[str]
    workload: str
    status: Status
    progress: dict[str, Any]
    created_at: Moment
    links: dict[str, str]
    range_test_id: str | None = Field(description="of the range test whose bounds it puts to the test")


class ComparisonView(ComparisonStatus):
    """A comparison with its table; rows are filled in as jobs end."""

    metric: Metric | None
    target: float | None
    test: str
    within_noise: list[str] = Field(description="the best, and what may be as good")
    rows: list[RowView]
    warnings: list[str]
    config: dict[str, Any]


def view_comparison(comparison: Comparison, table: Table) -> ComparisonView:
    """The comparison with its table as it stands."""
    target, rows = compare(table.runs, metric=table.metric or "accuracy", target=comparison.config["target"])
    schedules = {entry["label"]: entry["schedule"] for entry in comparison.config["entries"]}
    return ComparisonView(
        **describe_status(comparison, table.count()),
        metric=table.metric,
        target=target,
        test=TEST,
        within_noise=[row.label for row in rows if row.within_noise],
        rows=[_view_row(row, schedules[row.label], table.trainings(row.label)) for row in rows],
        warnings=_warn_of_budgets(rows)
        + [warning for label in schedules for warning in _warn_of_losses(label, table.trainings(label))],
        config=comparison.config,
    )


def _warn_of_budgets(rows: Sequence[Row]) -> list[str]:
    steps = {row.num_steps for row in rows if row.num_steps is not None}
    return ["the budgets differ after rounding to whole cycles: see num_steps"] if len(steps) > 1 else []


def _warn_of_losses(label: str, trainings: Sequence[Job]) -> list[str]:
    """How many runs of an entry have no part in its means, and why."""
    diverged = sum(job.outcome == Outcome.DIVERGED for job in trainings)
    failed = [job for job in trainings if job.status == Status.FAILED]
    warnings = [f"{label}: {diverged} of {len(trainings)} runs diverged"] if diverged else []
    if failed:
        why = f"{failed[0].reason}: {failed[0].message}"
        warnings.append(f"{label}: {len(failed)} of {len(trainings)} runs failed, {why}")
    return warnings


def describe_status(comparison: Comparison, counts: Counts) -> dict[str, Any]:
    """The fields of a `ComparisonStatus`; counts: its jobs of each kind and status, of those that are there."""
    path = rooted(f"/comparisons/{comparison.id}")
    completed = sum(number for (_, status), number in counts.items() if status in FINAL)
    return {
        **{name: getattr(comparison, name) for name in FIELDS},
        "status": status_of(comparison, counts),
        "progress": {"completed": completed, "total": comparison.num_jobs, "unit": "jobs"},
        "created_at": moment(comparison.created_at),
        "links": {"self": path}
        | {name: f"{path}/{name}" for name in ("plot.svg", "plot.png", "plot.pdf", "cancel")},
    }


def _view_row(row: Row, schedule: dict[str, Any], trainings: Sequence[Job]) -> RowView:
    statuses = [job.status for job in trainings]
    resolved = next((job.result["schedule"] for job in trainings if job.result), schedule)
    return RowView(
        **asdict(row),
        schedule=resolved,
        optimizer=trainings[0].config["optimizer"]["name"] if trainings else "",
        jobs=[job.id for job in trainings],
        statuses={status: statuses.count(status) for status in dict.fromkeys(statuses)},
    )
