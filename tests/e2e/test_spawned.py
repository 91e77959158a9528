"""Where a fork would not be safe, each job's process is started from nothing, and ends as a forked one does."""

import os
import signal
from pathlib import Path

import pytest

from store.database import Database
from tests.chaos.stack import attempts_of, is_running
from tests.conftest import fresh_database
from tests.e2e.service import PLUGINS, running_service, wait_for
from tests.machine import patience

LONG = {"num_seeds": 1, "num_steps": 20_000, "start_lr": 1e-4, "end_lr": 1e-2}


def test_a_workload_that_starts_threads_runs_in_processes_that_were_not_forked(
    tmp_path: Path, broker_url: str, request: pytest.FixtureRequest
) -> None:
    with (
        fresh_database("sqlite", tmp_path, request) as url,
        running_service(url, broker_url, tmp_path, plugins=PLUGINS / "threaded", watch_s=0.1) as (
            service,
            client,
        ),
    ):
        database = Database(url)
        short = client.range_test("threaded", effort="quick").wait(timeout_s=patience(60))
        long = client.range_test("threaded", **LONG)
        wait_for(lambda: long.refresh().progress.get("completed", 0) > 0)
        (running,) = attempts_of(database, long)
        os.kill(running.pid, signal.SIGKILL)
        wait_for(lambda: len(attempts_of(database, long)) == 2)
        long.cancel()
        wait_for(lambda: long.refresh().status == "cancelled")
        pids = [attempt.pid for job in (short, long) for attempt in attempts_of(database, job)]
        database.close()
        logs = service.logs()

    assert len(set(pids)) == 3
    assert "as a fork would be unsafe: threads were started while workloads were imported: " in logs
    wait_for(lambda: not any(map(is_running, pids)))
