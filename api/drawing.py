"""What a process of the pool draws, from what is stored: each function answers a picture's bytes, None before a point.

Curves are thinned as they are read: a picture of a million points holds a few thousand. matplotlib is loaded there
alone: the API's own process has no use for it.
"""

from collections.abc import Iterator

from api.comparison_table import Tables
from api.curves import downsample
from api.jobs import get
from clr.bounds import read_answer, summarize
from clr.comparison import compare
from clr.picture_format import PictureFormat
from clr.sweep import read_sweeps
from clr.training_result import TrainingResult
from store import comparisons, runs
from store.database import Database
from store.models import Job
from store.runs import Floats, Key, StoredRun
from store.status import Kind

PLOT_POINTS = 2_000  # of a run: two for each column of pixels; a longer one is thinned


def draw_range_test(database: Database, format: PictureFormat, job_id: str) -> bytes | None:
    """The curve with both bounds and their intervals."""
    from clr.plots import range_test, style  # noqa: PLC0415 - matplotlib

    job, thinned = _find(database, job_id, kind=Kind.RANGE_TEST)
    if not _has_points(thinned):
        return None
    answer = read_answer(job.result) if job.result else None
    summary = job.status if answer is None else summarize(answer)
    title = f"{job.workload}, {job.config['optimizer']['name']}: {summary}"
    return style.render(range_test.draw_range_test(read_sweeps(thinned), answer or None, title=title), format)


def draw_training_job(database: Database, format: PictureFormat, job_id: str) -> bytes | None:
    """Losses, held-out accuracy and rate against the step."""
    from clr.plots import style, training_job  # noqa: PLC0415 - matplotlib

    job, thinned = _find(database, job_id, kind=Kind.TRAINING_JOB)
    if not _has_points(thinned):
        return None
    title = f"{job.workload}, {job.config['schedule']['policy']}"
    result = TrainingResult.from_dict(job.result) if job.result else None
    figure = training_job.draw_training_job(thinned[0].series, result, title=title, otherwise=job.status)
    return style.render(figure, format)


def draw_comparison(database: Database, format: PictureFormat, comparison_id: str) -> bytes | None:
    """Each entry's mean and seeds, and its rate."""
    from clr.plots import comparison, style  # noqa: PLC0415 - matplotlib

    with database.read() as session:
        row = comparisons.get(session, comparison_id)
        table = Tables().read(session, row)
    metric = table.metric or "accuracy"
    target, rows = compare(table.runs, metric=metric, target=row.config["target"])
    figure = comparison.draw_comparison(
        {row.label: table.runs[row.label] for row in rows},
        table.schedules(),
        metric=metric,
        target=target,
        title=f"Comparison on {row.workload}",
    )
    return style.render(figure, format)


def _find(database: Database, job_id: str, *, kind: Kind) -> tuple[Job, list[StoredRun]]:
    """The job and its runs, with as many rows as a picture needs. Raises `NotFound`."""
    with database.read() as session:
        job = get(session, job_id, kind=kind)
        num_rows = runs.count_rows(session, job_id)

        def thin(key: Key, pieces: Iterator[Floats]) -> list[Floats]:
            return downsample(pieces, num_rows.get(key, 0), PLOT_POINTS)

        return job, runs.load(session, job_id, keep=thin)


def _has_points(thinned: list[StoredRun]) -> bool:
    return any(run.series["train"].num_rows for run in thinned)
