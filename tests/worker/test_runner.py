"""A ring answered in this process: real workload, real database, no Celery."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hostile import Hostile

from clr.bounds import Bounds
from clr.range_test import RangeTestConfig
from clr.sweep import HeldOut, Point
from clr.training.setup import Setup
from store import claims, counters, jobs, runs
from store.database import Database
from store.models import Job
from store.runs import StoredRun
from store.settings import Settings
from store.status import Status
from tests.jobs import queue
from tests.machine import patience
from worker import range_tests
from worker.ahead import Ahead
from worker.range_tests import run_range_test
from worker.recorder import Cancelled, Recorder
from worker.runner import answer_ring

CONFIG: dict[str, Any] = {
    "params": {"fault": "none"},
    "optimizer": {"name": "SGD", "momentum": 0.9},
    "batch_size": 32,
    "seed": 0,
    "num_seeds": 2,
    "start_lr": None,
    "end_lr": None,
    "num_steps": None,
    "effort": "standard",
    "timeout_s": 600.0,
}
WORKLOADS = {"hostile": Hostile()}


def queue_fault(database: Database, fault: str = "none", **overrides: Any) -> str:
    config = CONFIG | {"params": {"fault": fault}} | overrides
    return queue(database, workload="hostile", config=config).id


def answer(database: Database, settings: Settings) -> None:
    answer_ring(database, settings, WORKLOADS, worker_id="w", ring_id="r", device="cpu")


def run(database: Database, settings: Settings, fault: str = "none", **overrides: Any) -> Job:
    job_id = queue_fault(database, fault, **overrides)
    answer(database, settings)
    with database.read() as session:
        return jobs.get(session, job_id)


def run_here(job: Job, setup: Setup, recorder: Recorder) -> None:
    """Run a claimed range test, with no other slot."""
    run_range_test(RangeTestConfig.from_dict(job.config), setup, recorder, Ahead(job, recorder, Settings()))


def curve(database: Database, job_id: str) -> list[StoredRun]:
    with database.read() as session:
        return runs.load(session, job_id)


def assert_same_curves(ours: list[StoredRun], theirs: list[StoredRun]) -> None:
    assert [(sweep.sweep, sweep.seed) for sweep in ours] == [(sweep.sweep, sweep.seed) for sweep in theirs]
    for left, right in zip(ours, theirs, strict=True):
        for series, columns in left.series.items():
            for name, values in columns.items():
                np.testing.assert_array_equal(values, right.series[series][name])


def test_a_job_ends_with_bounds_and_its_whole_curve(database: Database, settings: Settings) -> None:
    job = run(database, settings)

    assert (job.status, job.outcome) == (Status.SUCCEEDED, "bounds_found")
    assert job.result is not None
    assert 0 < job.result["base_lr"] < job.result["max_lr"]
    sweeps = curve(database, job.id)
    assert all(sweep.finished for sweep in sweeps)
    assert {sweep.seed for sweep in sweeps} == {0, 1}
    for sweep in sweeps:
        steps = sweep.series["train"]["step"]
        assert steps.tolist() == list(range(len(steps)))


@pytest.mark.parametrize("model", ["none", "dropout"])
def test_the_same_seed_gives_the_same_curve_bit_for_bit(
    database: Database, settings: Settings, model: str
) -> None:
    first, again = run(database, settings, model), run(database, settings, model)

    assert_same_curves(curve(database, first.id), curve(database, again.id))


def test_progress_counts_every_measured_step(database: Database, settings: Settings) -> None:
    job = run(database, settings)

    measured = sum(len(sweep.series["train"]["step"]) for sweep in curve(database, job.id))
    assert job.progress is not None
    assert job.progress["completed"] == measured


@pytest.mark.parametrize(
    ("fault", "reason", "message"),
    [
        ("raise", "workload_error", "the workload's own mistake"),
        ("raise_unprintable", "workload_error", r"a NUL \x00 and a lone surrogate \ud800"),
        ("exit", "workload_error", "SystemExit: 3"),
        ("memory", "out_of_memory", "asked for 1 TiB"),
        ("missing", "dataset_missing", "apt-get install data"),
    ],
)
def test_a_fault_fails_the_job_with_its_own_reason(
    database: Database, settings: Settings, fault: str, reason: str, message: str
) -> None:
    job = run(database, settings, fault)

    assert (job.status, job.reason) == (Status.FAILED, reason)
    assert job.message is not None
    assert message in job.message


def test_params_that_this_worker_refuses_fail_as_invalid_workload(
    database: Database, settings: Settings
) -> None:
    job = run(database, settings, params={"fault": "none", "from_a_newer_version": 1})

    assert (job.status, job.reason) == (Status.FAILED, "invalid_workload")


@pytest.mark.parametrize("fault", ["nan", "flat"])
def test_a_loss_without_an_answer_succeeds_as_inconclusive(
    database: Database, settings: Settings, fault: str
) -> None:
    job = run(database, settings, fault)

    assert (job.status, job.outcome) == (Status.SUCCEEDED, "inconclusive")
    assert job.result is not None
    assert job.result["why"]
    assert job.result["next_experiment"]["message"]


def test_a_running_job_sees_the_cancel_and_keeps_its_points(database: Database, settings: Settings) -> None:
    job_id = queue_fault(database, "patient")

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(answer, database, settings)
        deadline = time.monotonic() + patience(30)
        while not any(sweep.series["train"]["step"].size for sweep in curve(database, job_id)):
            assert time.monotonic() < deadline
        with database.write() as session:
            assert jobs.request_cancel(session, job_id).status == Status.CANCELLING
        running.result(timeout=patience(10))

    with database.read() as session:
        assert jobs.get(session, job_id).status == Status.CANCELLED
    assert curve(database, job_id)[0].series["train"]["step"].size > 0


@pytest.mark.parametrize("fault", ["none", "raise"])
def test_a_worker_whose_claim_was_taken_ends_quietly_and_is_counted(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    job_id = queue_fault(database, fault, num_seeds=1)
    build = Setup.problem

    def lose_the_claim(self: Setup, seed: int) -> Any:
        with database.write() as session:
            claims.give_back(session, job_id, 1)
        return build(self, seed)

    monkeypatch.setattr(range_tests.Setup, "problem", lose_the_claim)

    answer(database, settings.model_copy(update={"lease_s": 600}))

    with database.read() as session:
        assert jobs.get(session, job_id).status == Status.QUEUED
        assert counters.read(session)[counters.FENCED_WRITES] == {"": 1}


def test_a_lost_range_test_restarts_at_its_first_unfinished_sweep(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = run(database, settings)
    job_id = queue_fault(database)
    with database.write() as session:
        job = claims.claim(session, workloads=WORKLOADS, worker_id="w", ring_id="r", pid=1, lease_s=60)
    assert job is not None
    setup = Setup.of(job.config, WORKLOADS["hostile"], device="cpu")
    builds: list[int] = []

    def count(self: Setup, seed: int) -> Any:
        builds.append(seed)
        if len(builds) == 3:
            raise InterruptedError
        return self.workload.build(self.params, seed=seed, batch_size=self.batch_size, device=self.device)

    monkeypatch.setattr(range_tests.Setup, "problem", count)
    with pytest.raises(InterruptedError):
        run_here(job, setup, Recorder(database, job_id, job.attempt))
    with database.write() as session:
        claims.give_back(session, job_id, job.attempt)
    measured_before = [sweep for sweep in curve(database, job_id) if sweep.finished]

    answer(database, settings)

    assert len(measured_before) == 2
    assert len(builds) - 3 == len(curve(database, undisturbed.id)) - 2
    assert_same_curves(curve(database, job_id), curve(database, undisturbed.id))


def test_a_batch_larger_than_the_data_is_an_epoch_a_step_and_is_warned_of(
    database: Database, settings: Settings
) -> None:
    job = run(database, settings, batch_size=60_000, num_steps=100, num_seeds=1)

    assert job.result is not None
    assert job.result["steps_per_epoch"] == 1
    assert job.result["step_size"] == 20
    assert "60000 is more than the 1500" in "".join(job.result["warnings"])
    assert "2 epochs are only 2 steps, so step_size is 20" in "".join(job.result["warnings"])


def trained(database: Database, job_id: str) -> list[StoredRun]:
    return [sweep for sweep in curve(database, job_id) if sweep.plan["phase"] == "confirm"]


def test_a_thorough_test_ends_with_the_last_word_of_training(database: Database, settings: Settings) -> None:
    standard, job = run(database, settings), run(database, settings, effort="thorough")

    assert job.result is not None
    assert job.progress is not None
    confirmation = job.result["confirmation"]
    runs = trained(database, job.id)
    steps = sum(len(run.series["train"]["step"]) for run in runs)
    assert standard.result is not None
    assert confirmation["outcome"] in ("confirmed", "adjusted")
    assert job.result["max_lr"] == confirmation["factor"] * standard.result["max_lr"]
    assert {one["seeds"][0] for one in confirmation["tried"]} == {2}
    assert sum(len(one["finals"]) for one in confirmation["tried"]) == len(runs)
    assert confirmation["steps"] == steps
    assert standard.progress is not None
    assert job.progress["completed"] == standard.progress["completed"] + steps


def test_a_thorough_test_for_a_training_trains_such_ones_and_tells_their_rates(
    database: Database, settings: Settings
) -> None:
    training = {"policy": "one_cycle", "num_epochs": 3, "num_steps": None}

    standard, job = (
        run(database, settings, effort=effort, **{"for": training}) for effort in ("standard", "thorough")
    )

    asked = {"policy": "one_cycle", "num_epochs": 3}
    before, after = (Bounds.from_dict(one.result or {}).for_training(**asked) for one in (standard, job))
    runs = trained(database, job.id)
    assert {(run.plan["shape"], run.plan["num_steps"]) for run in runs} == {("one_cycle", after.num_steps)}
    assert len(runs[0].series["train"]["step"]) == after.num_steps
    assert (job.result or {})["max_lr"] == (standard.result or {})["max_lr"]
    assert after.max_lr == (job.result or {})["confirmation"]["factor"] * before.max_lr
    assert after.basis == "training"


def test_without_bounds_there_is_nothing_to_train(database: Database, settings: Settings) -> None:
    job = run(database, settings, "flat", effort="thorough")

    assert job.outcome == "inconclusive"
    assert trained(database, job.id) == []


class InTheMiddle(Recorder):
    """Comes to `happens` in the middle of the third run of a confirmation."""

    def __init__(self, database: Database, job_id: str, attempt: int, happens: Callable[[], object]) -> None:
        super().__init__(database, job_id, attempt)
        self._runs, self._happens = 0, happens

    def begin(self, plan: dict[str, Any], **about: Any) -> None:
        super().begin(plan, **about)
        self._runs += plan["phase"] == "confirm"

    def add(self, measured: Point | HeldOut) -> None:
        super().add(measured)
        if self._runs == 3 and measured.step == 100:
            self._flush()
            self._happens()
            self._flush()


def run_until(database: Database, happens: Callable[[str], object], ends: type[Exception]) -> InTheMiddle:
    """A thorough test up to what happens in the middle of its confirmation."""
    job_id = queue_fault(database, "dropout", effort="thorough", num_seeds=1)
    with database.write() as session:
        job = claims.claim(session, workloads=WORKLOADS, worker_id="w", ring_id="r", pid=1, lease_s=60)
    assert job is not None
    recorder = InTheMiddle(database, job_id, job.attempt, lambda: happens(job_id))
    with pytest.raises(ends):
        run_here(job, Setup.of(job.config, WORKLOADS["hostile"], device="cpu"), recorder)
    return recorder


def test_a_lost_confirmation_goes_on_after_its_last_finished_run(
    database: Database, settings: Settings
) -> None:
    whole = run(database, settings, "dropout", effort="thorough", num_seeds=1)

    def lose(job_id: str) -> None:
        with database.write() as session:
            claims.give_back(session, job_id, 1)
        raise InterruptedError

    job_id = run_until(database, lose, InterruptedError)._job_id
    before = [run for run in trained(database, job_id) if run.finished]
    answer(database, settings)

    assert len(before) == 2
    assert_same_curves(curve(database, job_id), curve(database, whole.id))
    with database.read() as session:
        again = jobs.get(session, job_id)
    assert (again.attempt, again.result) == (2, whole.result)
    assert whole.progress is not None
    assert again.progress is not None
    assert again.progress["completed"] == whole.progress["completed"]


def test_a_confirmation_sees_the_cancel_and_keeps_its_points(database: Database) -> None:
    def cancel(job_id: str) -> None:
        with database.write() as session:
            jobs.request_cancel(session, job_id)

    recorder = run_until(database, cancel, Cancelled)
    recorder.stop()

    with database.read() as session:
        assert jobs.get(session, recorder._job_id).status == Status.CANCELLED
    assert [run.finished for run in trained(database, recorder._job_id)].count(False) == 1
