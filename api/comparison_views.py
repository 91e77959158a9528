"""A comparison as the API shows it: how it stands, its table, and the runs that both come from."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from api.requests.body import Moment, moment
from clr.comparison import TEST, Metric, Row, Run, compare
from store import comparisons, runs
from store.models import Comparison, Job
from store.status import FINAL, Kind, Outcome, Status


class SpreadView(BaseModel):
    """Mean and sample standard deviation over the seeds."""

    mean: float
    std: float | None


class RowView(BaseModel):
    """What became of one entry; `p_value` is against the best mean, null of the best itself."""

    label: str
    schedule: dict[str, Any]
    optimizer: str
    jobs: list[str]
    statuses: dict[str, int]
    final: SpreadView | None
    best: SpreadView | None = Field(description="of the best cycle ends")
    num_steps: int | None
    steps_to_target: float | None
    reached: int = Field(description="runs that reached the target")
    diverged: int
    p_value: float | None
    within_noise: bool


class ComparisonStatus(BaseModel):
    """How a comparison stands: succeeded once all jobs are final and one training at least succeeded."""

    id: str
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


def view_of(session: Session, comparison: Comparison) -> ComparisonView:
    """The table as it stands."""
    of_it = comparisons.jobs_of(session, comparison.id)
    measured, metric = runs_of(session, comparison, of_it)
    target, rows = compare(measured, metric=metric or "accuracy", target=comparison.config["target"])
    entries = {entry["label"]: entry for entry in comparison.config["entries"]}
    views = [_row(row, entries[row.label]["schedule"], _of_label(of_it, row.label)) for row in rows]
    return ComparisonView(
        **standing_of(comparison, of_it),
        metric=metric,
        target=target,
        test=TEST,
        within_noise=[row.label for row in rows if row.within_noise],
        rows=views,
        warnings=_unequal(rows)
        + [told for label in entries for told in _lost(label, _of_label(of_it, label))],
        config=comparison.config,
    )


def _unequal(rows: Sequence[Row]) -> list[str]:
    steps = {row.num_steps for row in rows if row.num_steps is not None}
    return ["the budgets differ after rounding to whole cycles: see num_steps"] if len(steps) > 1 else []


def _lost(label: str, of_label: Sequence[Job]) -> list[str]:
    """How many runs of an entry have no part in its means, and why."""
    diverged = sum(job.outcome == Outcome.DIVERGED for job in of_label)
    failed = [job for job in of_label if job.status == Status.FAILED]
    told = [f"{label}: {diverged} of {len(of_label)} runs diverged"] if diverged else []
    if failed:
        why = f"{failed[0].reason}: {failed[0].message}"
        told.append(f"{label}: {len(failed)} of {len(of_label)} runs failed, {why}")
    return told


def standing_of(comparison: Comparison, of_it: Sequence[Job]) -> dict[str, Any]:
    """The fields of a `ComparisonStatus`."""
    path = f"/comparisons/{comparison.id}"
    completed = sum(job.status in FINAL for job in of_it)
    trainings = [job for job in of_it if job.kind == Kind.TRAINING_JOB]
    telling = of_it if completed < len(of_it) else trainings  # a range test alone is no success
    return {
        **{name: getattr(comparison, name) for name in ("id", "name", "tags", "workload", "range_test_id")},
        "status": comparisons.status_of([job.status for job in telling]),
        "progress": {"completed": completed, "total": len(of_it), "unit": "jobs"},
        "created_at": moment(comparison.created_at),
        "links": {"self": path}
        | {name: f"{path}/{name}" for name in ("plot.svg", "plot.png", "plot.pdf", "cancel")},
    }


def _of_label(of_it: Sequence[Job], label: str) -> list[Job]:
    trained = [job for job in of_it if job.kind == Kind.TRAINING_JOB and job.config["label"] == label]
    return sorted(trained, key=lambda job: int(job.config["seed"]))


def _row(row: Row, schedule: dict[str, Any], of_label: Sequence[Job]) -> RowView:
    statuses = [job.status for job in of_label]
    resolved = next((job.result["schedule"] for job in of_label if job.result), schedule)
    return RowView(
        **asdict(row),
        schedule=resolved,
        optimizer=of_label[0].config["optimizer"]["name"] if of_label else "",
        jobs=[job.id for job in of_label],
        statuses={status: statuses.count(status) for status in dict.fromkeys(statuses)},
    )


def runs_of(
    session: Session, comparison: Comparison, of_it: Sequence[Job]
) -> tuple[dict[str, list[Run]], Metric | None]:
    """The runs that succeeded, by label, and what they are measured by; None before the first one."""
    ended = [job for job in of_it if job.kind == Kind.TRAINING_JOB and job.result]
    looks = {job.id: runs.load(session, job.id, series=["held_out"])[0].series["held_out"] for job in ended}
    finals = [job.result["final"] for job in ended if job.result and job.result["final"]]
    metric: Metric | None = None
    if finals:
        metric = "loss" if all(final["accuracy"] is None for final in finals) else "accuracy"
    measured = {
        entry["label"]: [_run(job, looks[job.id], metric) for job in _of_label(ended, entry["label"])]
        for entry in comparison.config["entries"]
    }
    return measured, metric


def _run(job: Job, looks: Any, metric: Metric | None) -> Run:
    result = job.result or {}

    def value(name: str) -> float | None:
        end = result[name]
        return None if end is None or metric is None or job.outcome == Outcome.DIVERGED else end[metric]

    return Run(
        seed=job.config["seed"],
        num_steps=result["num_steps"],
        final=value("final"),
        best=value("best"),
        looks=looks,
    )
