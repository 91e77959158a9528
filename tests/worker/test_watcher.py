"""What a worker does about its own children."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from sqlalchemy import update

from store import claims, counters, jobs
from store.claims import Held
from store.database import Database
from store.losses import end_expired
from store.models import Job
from store.settings import Settings
from store.status import Reason
from tests.jobs import queue
from tests.machine import patience
from worker.descendants import kill
from worker.watcher import Watcher, explain_death, judge

SETTINGS = Settings(cancel_grace_s=3, stall_timeout_s=60)
HEALTHY = Held(
    job_id="j",
    attempt=1,
    pid=1,
    timeout_s=100,
    running_for_s=50,
    unchanged_for_s=1,
    cancelling_for_s=None,
    lease_left_s=20,
)


def test_a_healthy_attempt_may_go_on() -> None:
    assert judge(HEALTHY, SETTINGS) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"running_for_s": 101}, Reason.TIMED_OUT),
        ({"unchanged_for_s": 61}, Reason.STALLED),
        ({"lease_left_s": -1}, Reason.WORKER_LOST),
        ({"cancelling_for_s": 4}, Reason.WORKER_LOST),
    ],
)
def test_an_attempt_is_killed_for_its_own_reason(change: dict[str, float], reason: Reason) -> None:
    ending = judge(replace(HEALTHY, **change), SETTINGS)

    assert ending is not None
    assert ending[0] == reason


def test_a_dead_child_is_not_judged_before_its_death_is_explained(
    database: Database, settings: Settings
) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    job = queue(database)
    with database.write() as session:
        claims.claim(session, workloads=["w"], worker_id="me", ring_id="r", pid=dead.pid, lease_s=30)
    watcher = Watcher(database, settings.model_copy(update={"stall_timeout_s": 0}), worker_id="me")

    watcher.watch()
    watcher.buried("r", "Worker exited prematurely: signal 11 (SIGSEGV) Job: 0.")

    with database.read() as session:
        assert jobs.get(session, job.id).reason == Reason.CRASHED


def test_a_cancelling_attempt_has_its_grace() -> None:
    assert judge(replace(HEALTHY, cancelling_for_s=2), SETTINGS) is None


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Worker exited prematurely: signal 9 (SIGKILL) Job: 3.", Reason.WORKER_LOST),
        ("Worker exited prematurely: signal 11 (SIGSEGV) Job: 3.", Reason.CRASHED),
        ("Worker exited prematurely: exitcode 3 Job: 3.", Reason.CRASHED),
    ],
)
def test_only_a_sigkill_is_laid_at_the_hosts_door(message: str, reason: Reason) -> None:
    assert explain_death(message)[0] == reason


def test_a_child_is_killed_even_if_it_ignores_signals() -> None:
    ignoring = "import signal; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", ignoring], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()

        kill(child.pid)

        assert child.wait(patience(5)) == -9


def test_a_process_that_is_not_our_child_is_left_alone() -> None:
    kill(1)


SLEEPING = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A child of this process that would go on for long."""
    with subprocess.Popen(SLEEPING) as child:
        yield child
        child.kill()


def claimed(database: Database, child: subprocess.Popen[bytes], *, timeout_s: float = 600.0) -> str:
    """A job that the child runs."""
    job = queue(database, timeout_s=timeout_s)
    with database.write() as session:
        claims.claim(session, workloads=["w"], worker_id="me", ring_id="r", pid=child.pid, lease_s=30)
    return job.id


def cancel(database: Database, job_id: str) -> None:
    with database.write() as session:
        jobs.request_cancel(session, job_id)


def lapse(database: Database, job_id: str) -> None:
    with database.write() as session:
        session.execute(update(Job).values(lease_expires_at=0.0).where(Job.id == job_id))


def lapse_and_sweep(database: Database, job_id: str) -> None:
    lapse(database, job_id)
    end_expired(database, Settings())


def kills(database: Database) -> dict[str, float]:
    with database.read() as session:
        return counters.read(session)[counters.CHILD_KILLS]


@pytest.mark.parametrize(
    ("befalls", "change", "cause"),
    [
        (cancel, {"cancel_grace_s": 0}, "cancelled"),
        (lapse, {}, "lease_lost"),
        (lapse_and_sweep, {}, "lease_lost"),
        (None, {"stall_timeout_s": 0}, "stalled"),
    ],
)
def test_a_killed_child_is_counted_once_by_its_cause(
    database: Database,
    settings: Settings,
    child: subprocess.Popen[bytes],
    befalls: Callable[[Database, str], None] | None,
    change: dict[str, float],
    cause: str,
) -> None:
    job_id = claimed(database, child)
    if befalls is not None:
        befalls(database, job_id)
    watcher = Watcher(database, settings.model_copy(update=change), worker_id="me")

    for _ in range(3):
        watcher.watch()
    watcher.buried("r", "Worker exited prematurely: signal 9 (SIGKILL) Job: 0.")

    assert child.wait(patience(5)) == -9
    assert kills(database) == {cause: 1}


def test_a_child_that_is_killed_for_its_time_is_counted(
    database: Database, settings: Settings, child: subprocess.Popen[bytes]
) -> None:
    claimed(database, child, timeout_s=0.0)

    Watcher(database, settings, worker_id="me").watch()

    assert kills(database) == {"timed_out": 1}


def test_a_drained_worker_counts_the_children_it_killed(
    database: Database, settings: Settings, child: subprocess.Popen[bytes]
) -> None:
    job_id = claimed(database, child)
    watcher = Watcher(database, settings, worker_id="me")

    watcher.drain()

    assert kills(database) == {"drained": 1}
    with database.read() as session:
        assert jobs.get(session, job_id).status == "queued"


def test_a_child_that_others_killed_is_no_kill_of_ours(
    database: Database, settings: Settings, child: subprocess.Popen[bytes]
) -> None:
    claimed(database, child)
    child.kill()
    child.wait()

    Watcher(database, settings, worker_id="me").buried("r", "signal 9 (SIGKILL)")

    assert kills(database) == {}
