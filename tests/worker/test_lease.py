"""A child that lost its job stops at once, whatever its workload does."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import update

from store import claims, counters, jobs
from store.database import Database
from store.models import Job
from tests.e2e.service import wait_for
from tests.jobs import queue
from tests.machine import patience, slowed

ROOT = Path(__file__).parent.parent.parent
HOLD = """
import signal, sys
from store.database import Database
from worker.lease import Lease
with Lease(Database(sys.argv[1]), sys.argv[2], 1, lease_s=float(sys.argv[3])):
    print("held", flush=True)
    signal.pause()
"""


def hold(database_url: str, job_id: str) -> subprocess.Popen[bytes]:
    """A child that renews for a second at a time."""
    command = [sys.executable, "-c", HOLD, database_url, job_id, str(slowed(1.0))]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"held\n"
    return child


@pytest.fixture
def claimed(database: Database) -> str:
    """A job claimed for as long as a child may take to start."""
    queue(database)
    with database.write() as session:
        job = claims.claim(session, workloads=["w"], worker_id="w", ring_id="r", pid=1, lease_s=patience(2))
    assert job is not None
    return job.id


def test_a_lost_claim_kills_the_child(database: Database, database_url: str, claimed: str) -> None:
    child = hold(database_url, claimed)

    with database.write() as session:
        claims.give_back(session, claimed, 1)

    assert child.wait(patience(10)) == -signal.SIGKILL
    child.communicate()
    with database.read() as session:
        assert counters.read(session)[counters.FENCED_WRITES] == {"": 1}


def test_a_child_that_cannot_renew_in_time_kills_itself(claimed: str) -> None:
    child = hold("postgresql+psycopg://nobody@127.0.0.1:9/nothing", claimed)

    assert child.wait(patience(15)) == -signal.SIGKILL
    child.communicate()


def test_a_child_whose_renewal_hangs_kills_itself(
    database: Database, database_url: str, claimed: str
) -> None:
    child = hold(database_url, claimed)

    with database.write() as session:  # a renewal waits for this row, or for SQLite's one writer
        session.execute(update(Job).values(name="locked"))
        ended = child.wait(patience(8))

    assert ended == -signal.SIGKILL
    child.communicate()


def test_a_renewed_lease_outlives_its_first_term(database: Database, database_url: str, claimed: str) -> None:
    with database.read() as session:
        first_term_ends = jobs.get(session, claimed).lease_expires_at
    assert first_term_ends is not None

    child = hold(database_url, claimed)

    wait_for(lambda: renewed_until(database, claimed) > first_term_ends)
    assert child.poll() is None
    child.kill()
    child.communicate()


def renewed_until(database: Database, job_id: str) -> float:
    with database.read() as session:
        expires_at = jobs.get(session, job_id).lease_expires_at
    assert expires_at is not None
    return expires_at
