"""Stops in the middle of a job, each followed by a start on a copy of the one file that the stop left."""

import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, select

from clr_tuner.client import Client
from store.database import Database
from store.models import Attempt
from tests.e2e.service import wait_for
from tests.machine import patience
from tests.serve import Serve

STOP_S = 4.0  # what a stop with a running job may take, on an idle machine
STEPS = 50
SWEEP = {"start_lr": 0.001, "end_lr": 0.1, "num_steps": STEPS}


def stop_and_go_on(folder: Path, *, stops: int) -> list[float]:
    """Stop a service in the middle of a range test so often, and end the test on the last copy.

    Answers how long each stop took. Nothing but `clr.sqlite3` goes from one service to the next, and each goes on
    with the first sweep that those before had not finished.
    """
    took, sweeps = [], 2 * stops
    with Serve(folder / "0") as serve, Client(serve.url) as client:
        job_id = client.range_test("hostile", {"fault": "patient"}, num_seeds=sweeps, **SWEEP).id
        _wait_for_points(client, job_id, more_than=5)
        took.append(serve.stop(signal.SIGTERM))
    for stop in range(1, stops):
        with Serve(_copy(folder, stop)) as serve, Client(serve.url) as client:
            _wait_for_points(client, job_id, more_than=stop * STEPS + 5)
            took.append(serve.stop((signal.SIGTERM, signal.SIGINT)[stop % 2]))
    with Serve(_copy(folder, stops)) as serve, Client(serve.url) as client:
        runs = client.job(job_id).wait(timeout_s=patience(100)).curve()["runs"]
        serve.stop()
    assert [run["step"] for run in runs] == [list(range(STEPS))] * sweeps
    assert _ends(folder / str(stops), job_id) == ["given_back"] * stops + ["succeeded"]
    return took


def _wait_for_points(client: Client, job_id: str, *, more_than: int) -> None:
    wait_for(lambda: client.job(job_id).progress.get("completed", 0) > more_than)


def _copy(folder: Path, number: int) -> Path:
    """A folder with the database alone, which must be all that the service before left of it."""
    left, to = folder / str(number - 1), folder / str(number)
    assert [file.name for file in left.glob("clr.sqlite3*")] == ["clr.sqlite3"]
    to.mkdir()
    shutil.copy(left / "clr.sqlite3", to)
    with closing(sqlite3.connect(to / "clr.sqlite3")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return to


def _ends(folder: Path, job_id: str) -> list[str | None]:
    """How each attempt of the job ended."""
    database = Database(URL.create("sqlite", database=str(folder / "clr.sqlite3")))
    with database.read() as session:
        query = select(Attempt.ended).where(Attempt.job_id == job_id).order_by(Attempt.attempt)
        ends = list(session.scalars(query))
    database.close()
    return ends
