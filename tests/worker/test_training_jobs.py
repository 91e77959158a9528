"""Training jobs answered in this process: real workload, real database, real files, no Celery."""

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hostile import Hostile

from clr.sweep import HeldOut
from store import checkpoints, claims, jobs, runs
from store.artifacts import find_artifacts
from store.database import Database
from store.models import Checkpoint, Job
from store.settings import Settings
from store.status import Reason, Status
from tests.jobs import queue
from worker.recorder import Recorder
from worker.runner import answer_ring

WORKLOADS = {"hostile": Hostile()}
SCHEDULE = {"policy": "triangular2", "base_lr": 0.01, "max_lr": 0.1, "step_size": 20}
CONFIG: dict[str, Any] = {
    "params": {"fault": "dropout"},
    "optimizer": {"name": "SGD", "momentum": 0.9},
    "batch_size": 32,
    "seed": 3,
    "schedule": SCHEDULE,
    "step_size_epochs": None,
    "num_cycles": 3,
    "num_steps": None,
    "num_epochs": None,
    "round_to_cycles": True,
    "eval_every": 7,
    "patience": None,
    "accumulation_steps": 1,
    "clip_grad_norm": None,
    "precision": "float32",
    "cycle_momentum": False,
    "base_momentum": 0.85,
    "max_momentum": 0.95,
    "range_test_id": None,
    "resume_from": None,
    "resume_at": 0,
    "timeout_s": 600.0,
}


class Killed(BaseException):
    """What ends an attempt as a SIGKILL would: nothing in the worker handles it."""


@pytest.fixture
def here(settings: Settings, tmp_path: Path) -> Settings:
    """Settings of a worker with a data directory of its own."""
    return settings.model_copy(update={"data_dir": tmp_path / "data"})


def queue_training(database: Database, **overrides: Any) -> str:
    after = {name: overrides.pop(name) for name in ("after_job",) if name in overrides}
    return queue(database, kind="training_job", workload="hostile", config=CONFIG | overrides, **after).id


def answer(database: Database, settings: Settings) -> None:
    answer_ring(database, settings, WORKLOADS, worker_id="w", ring_id="r", device="cpu")


def look(database: Database, job_id: str) -> Job:
    with database.read() as session:
        return jobs.get(session, job_id)


def train(database: Database, settings: Settings, **overrides: Any) -> Job:
    job_id = queue_training(database, **overrides)
    answer(database, settings)
    return look(database, job_id)


def kept(database: Database, job: Job) -> list[Checkpoint]:
    with database.read() as session:
        return checkpoints.of_job(session, job.id)


def weights(database: Database, settings: Settings, job: Job) -> dict[str, torch.Tensor]:
    newest = kept(database, job)[0]
    with find_artifacts(settings).open(newest.path) as file:
        return dict(torch.load(file, weights_only=True)["model"])


def columns(database: Database, job: Job, series: str) -> dict[str, Any]:
    with database.read() as session:
        [stored] = runs.load(session, job.id)
    return stored.series[series]


def assert_same_curve(database: Database, one: Job, other: Job) -> None:
    """Every point is equal bit for bit."""
    for series in ("train", "held_out"):
        ours, theirs = columns(database, one, series), columns(database, other, series)
        for name, values in ours.items():
            np.testing.assert_array_equal(values, theirs[name])


def assert_same_training(database: Database, settings: Settings, one: Job, other: Job) -> None:
    """Curve and final weights are equal bit for bit."""
    assert_same_curve(database, one, other)
    ours, theirs = weights(database, settings, one), weights(database, settings, other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_job_trains_along_its_schedule(database: Database, here: Settings) -> None:
    job = train(database, here)

    assert (job.status, job.outcome) == (Status.SUCCEEDED, "trained"), job.message
    assert job.result is not None
    assert job.result["num_steps"] == 120
    assert job.result["final"]["cycle"] == 3
    assert job.result["final"]["accuracy"] > 0.8
    assert columns(database, job, "train")["step"].tolist() == list(range(120))
    assert columns(database, job, "train")["lr"][60] == pytest.approx(0.055)


def test_the_newest_and_the_best_checkpoint_are_kept(database: Database, here: Settings) -> None:
    job = train(database, here)

    rows = kept(database, job)
    files = [str(file.relative_to(here.data_dir)) for file in here.data_dir.rglob("*.pt")]
    assert rows[0].step == 119
    assert [row.step for row in rows if row.best] == [(job.result or {})["best"]["step"]]
    assert sorted(files) == sorted(row.path for row in rows)


def killed(
    database: Database, settings: Settings, *, at_step: int, before_look: bool = False, **overrides: Any
) -> str:
    """A job whose first attempt died right after this step, or before the look that follows; it is queued again."""
    job_id = queue_training(database, **overrides)
    plain = Recorder.add

    def add(self: Recorder, measured: Any) -> None:
        if before_look and isinstance(measured, HeldOut) and measured.step == at_step:
            raise Killed
        plain(self, measured)
        if not before_look and measured.step == at_step:
            self._flush()
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "add", add)
        with pytest.raises(Killed):
            answer(database, settings)
    with database.write() as session:
        claims.fail(session, job_id, 1, Reason.WORKER_LOST, "killed", max_attempts=3)
    return job_id


def again(database: Database, settings: Settings, job_id: str) -> Job:
    """The job after its second attempt."""
    answer(database, settings)
    return look(database, job_id)


@pytest.mark.parametrize("at_step", [5, 39, 40, 63, 119])
def test_a_killed_job_resumes_and_equals_the_uninterrupted_one_bit_for_bit(
    database: Database, here: Settings, at_step: int
) -> None:
    whole = train(database, here)

    job = again(database, here, killed(database, here, at_step=at_step))

    assert job.attempt == 2
    assert_same_training(database, here, job, whole)
    assert job.result == whole.result


@pytest.mark.parametrize(
    "overrides",
    [
        {"optimizer": {"name": "AdamW"}},
        {"accumulation_steps": 3, "clip_grad_norm": 0.5},
        {"cycle_momentum": True},
        {"precision": "bfloat16"},
        {"schedule": {"policy": "fixed", "lr": 0.05}, "step_size_epochs": 0.5},
    ],
)
def test_so_it_does_whatever_else_is_asked_for(
    database: Database, here: Settings, overrides: dict[str, Any]
) -> None:
    whole = train(database, here, **overrides)

    job = again(database, here, killed(database, here, at_step=63, **overrides))

    assert_same_training(database, here, job, whole)


@pytest.mark.parametrize(
    ("death", "newest"),
    [
        ({"at_step": 50}, 49),
        ({"at_step": 48, "before_look": True}, 47),
        ({"at_step": 79, "before_look": True}, 78),
    ],
)
def test_a_checkpoint_inside_a_cycle_is_as_good(
    database: Database, here: Settings, death: dict[str, Any], newest: int
) -> None:
    whole = train(database, here)
    eager = here.model_copy(update={"checkpoint_s": 1e-9})

    job_id = killed(database, eager, **death)
    resumed_after = kept(database, look(database, job_id))[0].step
    job = again(database, eager, job_id)

    assert resumed_after == newest
    assert_same_training(database, here, job, whole)


def test_a_job_that_stopped_early_stays_stopped(database: Database, here: Settings) -> None:
    stale = {
        "params": {"fault": "none"},
        "schedule": SCHEDULE | {"base_lr": 0.0, "max_lr": 1e-30},
        "num_cycles": 9,
        "patience": 2,
    }
    whole = train(database, here, **stale)
    job_id = queue_training(database, **stale)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recorder, "finish", _die)
        with pytest.raises(Killed):
            answer(database, here)
    with database.write() as session:
        claims.fail(session, job_id, 1, Reason.WORKER_LOST, "killed", max_attempts=3)

    job = again(database, here, job_id)

    assert job.result == whole.result
    assert_same_training(database, here, job, whole)


def _die(_: Recorder) -> None:
    raise Killed


def _remove(file: Path) -> None:
    file.unlink()


def _cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:1000])


@pytest.mark.parametrize("harm", [_remove, _cut_short])
def test_without_a_sound_checkpoint_on_this_host_it_starts_over(
    database: Database, here: Settings, harm: Callable[[Path], None]
) -> None:
    whole = train(database, here)

    job_id = killed(database, here, at_step=63)
    for file in (here.data_dir / "checkpoints" / job_id).rglob("*.pt"):
        harm(file)
    job = again(database, here, job_id)

    assert_same_training(database, here, job, whole)


def test_resumed_cycles_equal_those_of_a_longer_job(database: Database, here: Settings) -> None:
    whole = train(database, here, num_cycles=5)
    before = train(database, here, num_cycles=2)

    after = train(database, here, num_cycles=3, resume_from=before.id, resume_at=80)

    assert columns(database, after, "train")["step"].tolist() == list(range(80, 200))
    ours, theirs = weights(database, here, after), weights(database, here, whole)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_resume_without_its_checkpoint_trains_everything_and_says_so(
    database: Database, here: Settings
) -> None:
    job = train(database, here, num_cycles=1, resume_from="gone", resume_at=80)

    assert columns(database, job, "train")["step"].tolist() == list(range(120))
    assert "trained from the start" in (job.result or {})["warnings"][0]


def test_a_full_disk_leaves_the_checkpoint_before_and_the_job_goes_on(
    database: Database, here: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, saved = torch.save, []

    def save(state: Any, file: io.BufferedWriter) -> None:
        saved.append(file.name)
        if len(saved) == 1:
            plain(state, file)
            return
        with Path("/dev/full").open("wb") as full:
            plain(state, full)

    monkeypatch.setattr(torch, "save", save)
    job = train(database, here)

    assert job.status == Status.SUCCEEDED
    assert len((job.result or {})["warnings"]) == 2
    assert [row.step for row in kept(database, job)] == [39]
    assert [file.name for file in here.data_dir.rglob("step*")] == ["step-39.pt"]
    assert weights(database, here, job)


def test_a_loss_that_is_not_finite_ends_it_as_diverged(database: Database, here: Settings) -> None:
    job = train(database, here, params={"fault": "nan"})

    assert (job.status, job.outcome) == (Status.SUCCEEDED, "diverged")
    assert math.isnan(columns(database, job, "train")["loss"][0])
    assert kept(database, job) == []


def test_patience_stops_it_at_a_cycles_end(database: Database, here: Settings) -> None:
    flat = SCHEDULE | {"base_lr": 0.0, "max_lr": 1e-30}

    job = train(database, here, params={"fault": "none"}, schedule=flat, num_cycles=9, patience=2)

    result = job.result or {}
    assert result["stopped_early"]
    assert (result["best"]["cycle"], result["final"]["cycle"]) == (1, 3)
    assert len(columns(database, job, "train")["step"]) == 120


def test_rates_come_from_the_range_test_it_waited_for(database: Database, here: Settings) -> None:
    bounds = {"base_lr": 0.02, "max_lr": 0.08, "step_size": 25, "steps_per_epoch": 46}
    before = _range_test(database, "bounds_found", bounds)

    job = train(database, here, schedule={"policy": "triangular"}, num_cycles=1, after_job=before)

    assert (job.result or {})["schedule"] == {
        "policy": "triangular", "base_lr": 0.02, "max_lr": 0.08, "step_size": 25, "step_size_down": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "result", "said"),
    [("inconclusive", {"why": "no_learning"}, "inconclusive (no_learning)"), (None, None, "cancelled")],
)
def test_without_bounds_it_fails_with_the_reason(
    database: Database, here: Settings, outcome: str | None, result: dict[str, Any] | None, said: str
) -> None:
    before = _range_test(database, outcome, result)

    job = train(database, here, schedule={"policy": "triangular"}, after_job=before)

    assert (job.status, job.reason) == (Status.FAILED, Reason.NO_BOUNDS)
    assert said in (job.message or "")


def _range_test(database: Database, outcome: str | None, result: dict[str, Any] | None) -> str:
    job = queue(database, workload="other")
    with database.write() as session:
        if outcome is None or result is None:
            jobs.request_cancel(session, job.id)
        else:
            claims.claim(session, workloads=["other"], worker_id="w", ring_id="r", pid=1, lease_s=60)
            claims.succeed(session, job.id, 1, outcome=outcome, result=result)
    return job.id


def test_a_budget_that_only_the_worker_can_judge_fails_with_its_reason(
    database: Database, here: Settings
) -> None:
    job = train(database, here, num_cycles=None, num_epochs=7.0, round_to_cycles=False)

    assert (job.status, job.reason) == (Status.FAILED, Reason.INVALID_BUDGET)


def test_files_of_deleted_jobs_go_with_the_next_job(database: Database, here: Settings) -> None:
    gone = train(database, here, num_cycles=1)
    with database.write() as session:
        jobs.remove(session, gone.id)

    job = train(database, here, num_cycles=1)

    assert [folder.name for folder in (here.data_dir / "checkpoints").iterdir()] == [job.id]


def test_an_accumulated_step_is_one_step_of_the_schedule(database: Database, here: Settings) -> None:
    job = train(
        database,
        here,
        num_cycles=None,
        num_epochs=4.0,
        accumulation_steps=4,
        schedule=SCHEDULE | {"step_size": 11},
    )

    assert (job.result or {})["steps_per_epoch"] == 11
    assert len(columns(database, job, "train")["step"]) == 44
