"""Sweeps that another slot measures ahead: the same answer, whoever measured what."""

from typing import Any

import pytest

from store import ahead, claims, jobs, workers
from store.database import Database
from store.models import Job
from store.settings import Settings
from store.status import Status
from store.workers import WorkerInfo
from tests.worker.test_runner import answer, assert_same_curves, curve, queue_fault, run
from worker import ahead as worker_ahead
from worker.ahead import Ahead


@pytest.fixture(autouse=True)
def sweeps_are_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sweep takes long enough to be handed out."""
    monkeypatch.setattr(worker_ahead, "SLOW_S", 0.0)


def publish_worker(database: Database, *, slots: int) -> None:
    with database.write() as session:
        worker = WorkerInfo(id="w", hostname="here", pid=1, slots=slots, device="cpu")
        workers.publish(session, worker, ["hostile"])


def sweeps_of(database: Database, job_id: str) -> list[Job]:
    with database.read() as session:
        return ahead.list_offers(session, job_id)


@pytest.fixture
def busy_slots(database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Other slots that measure whatever is offered as soon as they are rung; how many sweeps they were rung for."""
    rung: list[int] = []

    def ring(self: Ahead, queued: int) -> None:
        rung.append(queued)
        for _ in range(queued):
            answer(database, settings)

    monkeypatch.setattr(Ahead, "_ring", ring)
    return rung


@pytest.mark.parametrize("effort", ["standard", "thorough"])
@pytest.mark.parametrize("slots", [2, 3])
def test_the_answer_of_several_slots_is_that_of_one(
    database: Database, settings: Settings, busy_slots: list[int], effort: str, slots: int
) -> None:
    alone = run(database, settings, effort=effort)

    publish_worker(database, slots=slots)
    together = run(database, settings, effort=effort)

    assert sum(busy_slots) >= 2
    unread = (together.result or {}).pop("unread_steps", 0)
    assert together.result == alone.result
    assert_same_curves(curve(database, together.id), curve(database, alone.id))
    assert unread <= 0.3 * (alone.progress or {})["completed"]
    assert (together.progress or {})["completed"] == (alone.progress or {})["completed"]


def test_without_an_idle_slot_nothing_is_offered(
    database: Database, settings: Settings, busy_slots: list[int]
) -> None:
    publish_worker(database, slots=1)

    job = run(database, settings)

    assert (busy_slots, sweeps_of(database, job.id)) == ([], [])


def test_short_sweeps_are_not_handed_out(
    database: Database, settings: Settings, busy_slots: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_ahead, "SLOW_S", 1e6)
    publish_worker(database, slots=2)

    run(database, settings)

    assert busy_slots == []


def test_what_nobody_began_is_measured_by_the_range_test_itself(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ahead, "_ring", lambda self, queued: None)
    alone = run(database, settings)

    publish_worker(database, slots=2)
    together = run(database, settings)

    assert together.result == alone.result
    assert {sweep.status for sweep in sweeps_of(database, together.id)} == {Status.CANCELLED}


def offered(database: Database) -> tuple[Job, Job]:
    """A range test that runs, and a sweep that is offered for it."""
    range_test = queue_fault(database)
    with database.write() as session:
        job = claim(session)
        assert job is not None
        ahead.offer(session, job, [{"phase": "test"}])
    [sweep] = sweeps_of(database, range_test)
    return job, sweep


def claim(session: Any) -> Job | None:
    return claims.claim(session, workloads=["hostile"], worker_id="w", ring_id="r", pid=1, lease_s=30)


def test_a_sweep_ahead_is_claimed_after_every_other_job(database: Database) -> None:
    _, sweep = offered(database)
    newer = queue_fault(database)

    with database.write() as session:
        claimed = [claim(session), claim(session)]

    assert [job and job.id for job in claimed] == [newer, sweep.id]


@pytest.mark.parametrize("begun", [False, True])
def test_the_end_of_a_range_test_ends_its_sweeps(database: Database, begun: bool) -> None:
    job, sweep = offered(database)
    with database.write() as session:
        if begun:
            claim(session)
        jobs.request_cancel(session, job.id)
        claims.give_back(session, job.id, job.attempt)

    [sweep] = sweeps_of(database, job.id)
    assert sweep.status == (Status.CANCELLING if begun else Status.CANCELLED)


def test_a_range_test_that_is_queued_again_keeps_its_sweeps(database: Database) -> None:
    job, _ = offered(database)

    with database.write() as session:
        claims.give_back(session, job.id, job.attempt)

    assert [offer.status for offer in sweeps_of(database, job.id)] == [Status.QUEUED]


def test_a_deleted_range_test_leaves_no_sweep(database: Database) -> None:
    job, _ = offered(database)
    with database.write() as session:
        jobs.request_cancel(session, job.id)
        claims.give_back(session, job.id, job.attempt)
        jobs.remove(session, job.id)

    assert sweeps_of(database, job.id) == []


def test_no_list_shows_a_sweep(database: Database) -> None:
    job, sweep = offered(database)

    with database.read() as session:
        assert [listed.id for listed in jobs.find(session, limit=10)] == [job.id]
        with pytest.raises(jobs.NotFound):
            jobs.get(session, sweep.id)
