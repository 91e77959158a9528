"""What ended long ago goes with everything of it, on both databases; what is needed or young stays."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from store import checkpoints, comparisons, jobs, runs
from store.artifacts import find_artifacts
from store.checkpoints import FOLDER, NewCheckpoint
from store.comparisons import NewComparison
from store.database import Database, now
from store.jobs import NewJob
from store.models import Base, Job
from store.retention import remove_old
from store.settings import Settings
from store.status import Kind

KEPT = {"keep_days": 30.0, "keep_days_by_tag": {"nightly": 7.0, "paper": 300.0}}


@pytest.fixture
def kept(settings: Settings) -> Settings:
    return settings.model_copy(update=KEPT)


def make(database: Database, *, days: float, status: str = "succeeded", **fields: Any) -> str:
    """A job that was made and ended so many days ago."""
    with database.write() as session:
        job, _ = jobs.create(session, NewJob(kind=Kind.TRAINING_JOB, workload="w", config={}, **fields))
        _age(session, job.id, days, status)
    return job.id


def _age(session: Session, job_id: str, days: float, status: str) -> None:
    then = now() - days * 86_400
    ended = then if status == "succeeded" else None
    values = {"status": status, "created_at": then, "finished_at": ended}
    session.execute(update(Job).where(Job.id == job_id).values(values))


def left(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(Job.id)))


def test_what_is_old_goes_by_its_tags_and_the_longest_counts(database: Database, kept: Settings) -> None:
    stays = {
        make(database, days=29),
        make(database, days=6, tags=["nightly"]),
        make(database, days=8, tags=["nightly", "paper"]),
        make(database, days=100, tags=["paper"]),
        make(database, days=100, status="queued"),
    }
    for tags, days in (([], 31), (["ci"], 31), (["nightly"], 8), (["paper"], 301)):
        make(database, days=days, tags=tags)

    assert remove_old(database, kept, find_artifacts(kept)) == 4
    assert left(database) == stays
    assert remove_old(database, kept, find_artifacts(kept)) == 0


def test_without_a_setting_everything_is_kept(database: Database, settings: Settings) -> None:
    make(database, days=10_000)

    assert remove_old(database, settings, find_artifacts(settings)) == 0


def test_what_an_open_job_needs_stays(database: Database, kept: Settings) -> None:
    needed = make(database, days=90), make(database, days=90)
    make(database, days=90, status="queued", resume_from=needed[0])
    make(database, days=90, status="queued", after_job=needed[1])

    assert remove_old(database, kept, find_artifacts(kept)) == 0


def test_what_is_confirmed_stays_before_the_jobs_that_do_are_queued(
    database: Database, kept: Settings
) -> None:
    with database.write() as session:
        trained = NewJob(kind=Kind.TRAINING_JOB, workload="w", config={})
        old, _ = comparisons.create(session, NewComparison(workload="w", config={}, jobs=[trained]))
        old.created_at, old.plan, old.chore = 0.0, None, None  # its job is made here
    for confirmed in (make(database, days=90), make(database, days=90, comparison_id=old.id)):
        with database.write() as session:
            new = NewComparison(workload="w", config={}, jobs=[trained], range_test_id=confirmed)
            comparisons.create(session, new)

    assert remove_old(database, kept, find_artifacts(kept)) == 0


def test_a_comparison_goes_with_its_jobs_once_the_last_is_old(database: Database, kept: Settings) -> None:
    made = []
    for days in (31, 29):
        with database.write() as session:
            trained = NewJob(kind=Kind.TRAINING_JOB, workload="w", config={})
            new = NewComparison(workload="w", config={}, tags=["x"], jobs=[trained, trained])
            comparison, _ = comparisons.create(session, new)
            comparison.created_at, comparison.plan, comparison.chore = (
                0.0,
                None,
                None,
            )  # its jobs are made here
        make(database, days=90, comparison_id=new.id)
        made.append(make(database, days=days, comparison_id=new.id))

    assert remove_old(database, kept, find_artifacts(kept)) == 1
    assert made[0] not in left(database)
    assert made[1] in left(database)


def test_a_removed_job_leaves_no_row_and_no_file(
    database: Database, kept: Settings, tmp_path: Path, log_lines: Any
) -> None:
    job_id = make(database, days=31, tags=["x"])
    checkpoint = tmp_path / FOLDER / job_id / "1-9.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"weights")
    with database.write() as session:
        runs.begin_run(session, job_id, sweep=0, seed=0, plan={})
        runs.append(session, job_id, sweep=0, seed=0, series="train", rows=[(0, 0.1, 1.0)])
        path = checkpoint.relative_to(tmp_path).as_posix()
        new = NewCheckpoint(step=9, path=path, size_bytes=7, hostname="h", cycle=None, best=True)
        checkpoints.publish(session, job_id, 1, new)

    assert remove_old(database, kept, find_artifacts(kept)) == 1

    assert not checkpoint.parent.exists()
    with database.read() as session:
        for table in Base.metadata.sorted_tables:
            if "job_id" in table.columns:
                assert session.scalar(select(func.count()).select_from(table)) == 0, table
    assert any(job_id in line["message"] for line in log_lines())
