"""A range test for a long training on few examples measures one longer sweep, where no other tells."""

from typing import Any

import numpy as np
import pytest

from benchmarks.quality.hard import HARD
from benchmarks.quality.small import SMALL
from clr.turn import Turn
from store import claims, jobs, runs
from store.database import Database
from store.models import Job
from store.runs import StoredRun
from store.settings import Settings
from tests.jobs import queue
from tests.worker.test_runner import CONFIG
from worker.recorder import Recorder
from worker.runner import answer_ring

WORKLOADS = {"patients": SMALL["diabetes-320"], "bytes": HARD["mnist-bytes"]}
LONG = {"policy": "one_cycle", "num_steps": 5120, "num_epochs": None}


def queue_test(
    database: Database, training: dict[str, Any] | None, *, workload: str = "patients", **changed: Any
) -> str:
    """A quick test of a regression on 320 patients, unless told otherwise."""
    config = CONFIG | {"params": {}, "optimizer": {"name": "Adam"}, "batch_size": 8, "effort": "quick"}
    config |= {"num_seeds": 1, "for": training, **changed}
    return queue(database, workload=workload, config=config).id


def answer(database: Database, settings: Settings) -> None:
    answer_ring(database, settings, WORKLOADS, worker_id="w", ring_id="r", device="cpu")


def stored(database: Database, job_id: str) -> tuple[Job, list[StoredRun]]:
    with database.read() as session:
        return jobs.get(session, job_id), runs.load(session, job_id)


@pytest.mark.parametrize(("training", "phases"), [(LONG, ["scout", "probe"]), (None, ["scout"])])
def test_it_is_measured_where_a_training_was_told(
    database: Database, settings: Settings, training: dict[str, Any] | None, phases: list[str]
) -> None:
    job_id = queue_test(database, training)

    answer(database, settings)

    job, sweeps = stored(database, job_id)
    assert [sweep.plan["phase"] for sweep in sweeps] == phases
    assert job.result is not None
    assert (Turn.from_dict(job.result["turn"]).rate_sum is not None) == (training is not None)
    assert job.progress is not None
    assert job.progress["completed"] == sum(len(sweep.series["train"]["step"]) for sweep in sweeps)


def test_it_counts_in_the_progress_as_soon_as_it_is_foreseen(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    totals: list[int] = []
    begin = Recorder.begin

    def listen(self: Recorder, plan: dict[str, Any], *, total: int, **about: Any) -> None:
        totals.append(total)
        begin(self, plan, total=total, **about)

    monkeypatch.setattr(Recorder, "begin", listen)
    ends = {"start_lr": 1e-4, "end_lr": 3e-3, "num_steps": 100}
    queue_test(database, LONG, effort="standard", num_seeds=2, **ends)

    answer(database, settings)

    assert totals == [200, 1480, 1480]


def test_where_training_collapses_another_goes_up_to_what_the_first_bore(
    database: Database, settings: Settings
) -> None:
    optimizer = {"name": "Adam", "eps": 1e-3}
    job_id = queue_test(database, LONG, workload="bytes", optimizer=optimizer, batch_size=32)

    answer(database, settings)

    job, sweeps = stored(database, job_id)
    _, first, second = (sweep.plan for sweep in sweeps)
    assert (first["phase"], second["phase"]) == ("probe", "probe")
    assert second["end_lr"] < first["end_lr"]
    assert job.result is not None
    assert job.result["collapse"]["lr"] <= second["end_lr"]


def test_a_range_test_that_was_lost_in_it_goes_on_there_and_ends_the_same(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = queue_test(database, LONG)
    answer(database, settings)
    job_id = queue_test(database, LONG)
    begin = Recorder.begin

    def lose(self: Recorder, plan: dict[str, Any], **about: Any) -> None:
        begin(self, plan, **about)
        if plan["phase"] == "probe":
            monkeypatch.undo()
            with database.write() as session:
                claims.give_back(session, job_id, 1)

    monkeypatch.setattr(Recorder, "begin", lose)
    answer(database, settings)
    answer(database, settings)

    (job, sweeps), (other, others) = stored(database, job_id), stored(database, whole)
    assert (job.attempt, job.result) == (2, other.result)
    for ours, theirs in zip(sweeps, others, strict=True):
        np.testing.assert_array_equal(ours.series["train"]["loss"], theirs.series["train"]["loss"])
