"""What a probe hears of a worker: from the database, and where there is none."""

import os
import socket
import subprocess
import sys

import pytest

from store import workers
from store.database import Database
from store.workers import WorkerInfo
from tests.services import free_port

STRICT, ALIVE = (), ("--alive",)


def probe(database_url: str, *options: str) -> int:
    command = [sys.executable, "-m", "worker.health", *options]
    environment = os.environ | {"CLR_DATABASE_URL": database_url}
    return subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=False).returncode


@pytest.mark.parametrize("options", [STRICT, ALIVE])
def test_a_worker_that_the_database_hears_from_is_healthy(
    database: Database, database_url: str, options: tuple[str, ...]
) -> None:
    worker = WorkerInfo(id="w", hostname=socket.gethostname(), pid=1, slots=1, device="cpu")
    with database.write() as session:
        workers.publish(session, worker, [])

    assert probe(database_url, *options) == 0


@pytest.mark.parametrize("options", [STRICT, ALIVE])
def test_one_that_it_does_not_hear_from_is_not(database_url: str, options: tuple[str, ...]) -> None:
    assert probe(database_url, *options) == 1


@pytest.mark.parametrize(("options", "code"), [(STRICT, 1), (ALIVE, 0)])
def test_a_database_that_is_away_is_no_reason_to_end_it(options: tuple[str, ...], code: int) -> None:
    assert probe(f"postgresql+psycopg://clr@127.0.0.1:{free_port()}/clr", *options) == code
