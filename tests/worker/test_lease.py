"""A child that lost its job stops at once, whatever its workload does."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import update

from store import counters, jobs
from store.database import Database
from store.jobs import NewJob
from store.models import Job

ROOT = Path(__file__).parent.parent.parent
HOLD = """
import signal, sys
from store.database import Database
from worker.lease import Lease
with Lease(Database(sys.argv[1]), sys.argv[2], 1, lease_s=float(sys.argv[3])):
    print("held", flush=True)
    signal.pause()
"""


def hold(database_url: str, job_id: str, lease_s: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", HOLD, database_url, job_id, str(lease_s)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    return child


@pytest.fixture
def claimed(database: Database) -> str:
    """A job claimed for 2 seconds."""
    with database.write() as session:
        jobs.create(session, NewJob(kind="range_test", workload="w", config={}))
    with database.write() as session:
        job = jobs.claim(session, workloads=["w"], worker_id="w", ring_id="r", pid=1, lease_s=2.0)
    assert job is not None
    return job.id


def test_a_lost_claim_kills_the_child(database: Database, database_url: str, claimed: str) -> None:
    child = hold(database_url, claimed, lease_s=1.0)

    with database.write() as session:
        jobs.give_back(session, claimed, 1)

    assert child.wait(10) == -signal.SIGKILL
    child.communicate()
    with database.read() as session:
        assert counters.read(session)[counters.FENCED_WRITES] == {"": 1}


def test_a_child_that_cannot_renew_in_time_kills_itself(claimed: str) -> None:
    child = hold("postgresql+psycopg://nobody@127.0.0.1:9/nothing", claimed, lease_s=1.0)

    assert child.wait(15) == -signal.SIGKILL
    child.communicate()


def test_a_child_whose_renewal_hangs_kills_itself(
    database: Database, database_url: str, claimed: str
) -> None:
    child = hold(database_url, claimed, lease_s=1.0)

    with database.write() as session:  # a renewal waits for this row, or for SQLite's one writer
        session.execute(update(Job).values(name="locked"))
        ended = child.wait(8)

    assert ended == -signal.SIGKILL
    child.communicate()


def test_a_renewed_lease_outlives_its_first_term(database: Database, database_url: str, claimed: str) -> None:
    child = hold(database_url, claimed, lease_s=1.0)

    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(3)

    with database.write() as session:
        assert jobs.expired(session) == []
    child.kill()
    child.communicate()
