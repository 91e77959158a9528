"""What a comparison has measured so far: its jobs, and the runs of each entry; kept once nothing can change."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from clr.comparison import Run
from clr.metric import Metric
from clr.policies import Schedule, parse_schedule
from clr.training_result import CycleEnd, TrainingResult
from store import comparisons, runs
from store.comparison_status import Counts
from store.models import Comparison, Job
from store.status import FINAL, Kind, Outcome

MOST_KEPT = 16  # a few megabytes each at the most


@dataclass(frozen=True, slots=True)
class Table:
    """The jobs of a comparison as they were made, range tests included, and the runs that succeeded, by label.

    metric: what the runs are measured by; None before the first one.
    """

    jobs: Sequence[Job]
    runs: dict[str, list[Run]]
    metric: Metric | None

    def trainings(self, label: str) -> list[Job]:
        """The training jobs of an entry, by seed."""
        return _find_trainings(self.jobs, label)

    def schedules(self) -> dict[str, Schedule]:
        """What each entry trained under, of those that have trained."""
        resolved = {job.label: job.result["schedule"] for job in self.jobs if job.label and job.result}
        return {label: parse_schedule(schedule) for label, schedule in resolved.items()}

    def count(self) -> Counts:
        """How many jobs of each (kind, status) there are."""
        return Counter((job.kind, job.status) for job in self.jobs)


class Tables:
    """Reads tables in two queries, whatever the number of jobs; final ones are kept and cost none."""

    def __init__(self) -> None:
        self._final: dict[str, Table] = {}

    def read(self, session: Session, comparison: Comparison) -> Table:
        """The table as it stands."""
        if table := self._final.get(comparison.id):
            return table
        table = _read_table(session, comparison)
        if sum(job.status in FINAL for job in table.jobs) == comparison.num_jobs:
            self._final[comparison.id] = table
            for oldest in list(self._final)[:-MOST_KEPT]:
                self._final.pop(oldest, None)
        return table


def _read_table(session: Session, comparison: Comparison) -> Table:
    jobs = comparisons.jobs_of(session, comparison.id)
    trainings = [job for job in jobs if job.kind == Kind.TRAINING_JOB and job.result]
    looks = runs.load_looks(session, comparison.id) if trainings else {}
    results = {job.id: TrainingResult.from_dict(job.result) for job in trainings if job.result}
    finals = [result.final for result in results.values() if result.final]
    metric: Metric | None = None
    if finals:
        metric = "loss" if all(final.accuracy is None for final in finals) else "accuracy"
    by_label = {
        entry["label"]: [
            _sum_up(job, results[job.id], looks, metric) for job in _find_trainings(trainings, entry["label"])
        ]
        for entry in comparison.config["entries"]
    }
    return Table(jobs=jobs, runs=by_label, metric=metric)


def _find_trainings(jobs: Sequence[Job], label: str) -> list[Job]:
    trainings = [job for job in jobs if job.kind == Kind.TRAINING_JOB and job.label == label]
    return sorted(trainings, key=lambda job: int(job.config["seed"]))


def _sum_up(job: Job, result: TrainingResult, looks: dict[str, Any], metric: Metric | None) -> Run:
    def read_metric(end: CycleEnd | None) -> float | None:
        if end is None or metric is None or job.outcome == Outcome.DIVERGED:
            return None
        return end.accuracy if metric == "accuracy" else end.loss

    return Run(
        seed=job.config["seed"],
        num_steps=result.num_steps,
        final=read_metric(result.final),
        best=read_metric(result.best),
        looks=looks.get(job.id, runs.NO_LOOKS),
    )
