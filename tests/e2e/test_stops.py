"""What a stop, a kill and an installation leave for the next `clr-tuner serve`."""

import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from clr_tuner.client import Client
from tests.e2e.service import wait_for
from tests.e2e.stops import STOP_S, stop_and_go_on
from tests.machine import patience
from tests.serve import Serve

pytestmark = pytest.mark.timeout(300)
LONG = {"start_lr": 0.001, "end_lr": 0.1, "num_steps": 2000, "num_seeds": 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data directory."""
    return tmp_path / "data"


def test_a_job_goes_on_from_the_one_file_that_a_stop_leaves(tmp_path: Path) -> None:
    took = stop_and_go_on(tmp_path, stops=1)

    assert max(took) < patience(STOP_S)


def test_a_stop_while_it_starts_leaves_one_file_too(folder: Path) -> None:
    serve, log = Serve(folder), folder / "logs" / "worker.log"
    wait_for(lambda: log.is_file() and "Connected to redis" in log.read_text())  # its children load torch now

    took = serve.stop(signal.SIGINT)

    assert took < patience(STOP_S)
    assert [file.name for file in folder.glob("clr.sqlite3*")] == ["clr.sqlite3"]


def test_who_asks_again_and_again_loses_nothing_either(folder: Path) -> None:
    with Serve(folder) as serve, Client(serve.url) as client:
        job_id = client.range_test("hostile", {"fault": "patient"}, **LONG).id
        for _ in range(5):
            serve.process.send_signal(signal.SIGINT)
            time.sleep(0.05)  # the fingers of somebody in a hurry
        output, _ = serve.process.communicate()

    assert output.endswith("stopped\n")
    assert [file.name for file in folder.glob("clr.sqlite3*")] == ["clr.sqlite3"]
    with closing(sqlite3.connect(folder / "clr.sqlite3")) as connection:
        assert connection.execute("SELECT id FROM jobs").fetchall() == [(job_id,)]


def test_ready_waits_for_what_was_installed_and_a_kill_costs_no_lease(folder: Path, tmp_path: Path) -> None:
    with Serve(folder, plugins=tmp_path) as serve:
        serve.stop()

    with Serve(folder) as serve, Client(serve.url) as client:
        job_id = client.range_test("hostile", {"fault": "patient"}, **LONG).id
        wait_for(lambda: client.job(job_id).progress.get("completed", 0) > 0)
        serve.kill()
    with Serve(folder, lease_s=300) as serve, Client(serve.url) as client:
        wait_for(lambda: client.job(job_id).data["attempt"] == 2)
        took = serve.stop()

    assert took < patience(STOP_S)
