"""Checkpoints in a bucket that workers share, each with a data directory of its own: no Celery, a real S3."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from store import bucket
from store.artifacts import find_artifacts
from store.checkpoints import FOLDER
from store.database import Database
from store.settings import Settings
from store.status import Status
from tests.services import free_port
from tests.worker.test_training_jobs import (
    again,
    assert_same_curve,
    assert_same_training,
    kept,
    killed,
    look,
    train,
)
from worker.checkpoints import Checkpoints
from worker.recorder import Recorder


@pytest.fixture
def host(settings: Settings, bucket_url: str, tmp_path: Path) -> Settings:
    """Settings of a worker on a host of its own."""
    return settings.model_copy(update={"data_dir": tmp_path / "one", "artifacts_url": bucket_url})


@pytest.fixture
def other_host(host: Settings, tmp_path: Path) -> Settings:
    """The same on another host."""
    return host.model_copy(update={"data_dir": tmp_path / "other"})


def test_a_job_whose_host_is_lost_goes_on_elsewhere_and_is_the_same_training(
    database: Database, host: Settings, other_host: Settings, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    whole = train(database, host)

    job_id = killed(database, host, at_step=63)
    resumed_after = kept(database, look(database, job_id))[0].step
    job = again(database, other_host, job_id)

    assert resumed_after == 39
    assert f"goes on after step {resumed_after}" in [line["message"] for line in log_lines()]
    assert_same_training(database, host, job, whole)
    assert job.result == whole.result
    assert not host.data_dir.exists()
    assert not other_host.data_dir.exists()


def test_the_bucket_holds_what_the_database_knows_and_no_more(database: Database, host: Settings) -> None:
    job = train(database, host)

    files = find_artifacts(host).files(FOLDER)

    assert sorted(files) == sorted(row.path for row in kept(database, job))


def test_what_a_lost_attempt_wrote_and_never_published_goes_with_the_next(
    database: Database, host: Settings, other_host: Settings
) -> None:
    job_id = killed(database, host, at_step=63)
    unpublished = f"{FOLDER}/{job_id}/1/step-60.pt"
    find_artifacts(host).write(unpublished, lambda file: file.write(b"whole, but nobody knows of it"))

    job = again(database, other_host, job_id)

    assert job.status == Status.SUCCEEDED
    assert unpublished not in find_artifacts(host).files(FOLDER)


def test_a_sleeper_that_tidies_up_late_leaves_its_successors_files(
    database: Database, host: Settings, other_host: Settings
) -> None:
    job_id = killed(database, host, at_step=63)
    again(database, other_host, job_id)
    artifacts = find_artifacts(host)
    artifacts.write(f"{FOLDER}/{job_id}/2/step-200.pt", lambda file: file.write(b"not published yet"))
    before = artifacts.files(FOLDER)

    Checkpoints(artifacts, job_id, 1, Recorder(database, job_id, 1)).tidy()

    assert sorted(artifacts.files(FOLDER)) == sorted(before)


def test_jobs_of_another_database_in_the_same_bucket_are_left_alone(
    database: Database, host: Settings
) -> None:
    theirs = f"{FOLDER}/somebody-elses-job/1/step-1.pt"
    find_artifacts(host).write(theirs, lambda file: file.write(b"x"))

    train(database, host, num_cycles=1)

    assert theirs in find_artifacts(host).files(FOLDER)


def test_a_bucket_that_is_away_costs_checkpoints_and_the_training_goes_on(
    database: Database, host: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(database, host)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")

    job = train(database, host)

    warnings = (job.result or {})["warnings"]
    assert job.status == Status.SUCCEEDED
    assert [warning.partition(" could not be written")[0] for warning in warnings] == [
        f"the checkpoint after step {step}" for step in (39, 79, 119)
    ]
    assert kept(database, job) == []
    assert_same_curve(database, job, whole)


def test_a_resume_while_the_bucket_is_away_waits_and_then_starts_over(
    database: Database, host: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(database, host)
    job_id = killed(database, host, at_step=63)
    monkeypatch.setattr(bucket, "PATIENCE_S", 0.0)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")

    job = again(database, host, job_id)

    assert job.status == Status.SUCCEEDED
    assert_same_curve(database, job, whole)
