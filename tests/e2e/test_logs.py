"""With CLR_LOG_FORMAT=json every line of every process is an object, and says what it belongs to."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from clr_tuner.errors import JobFailed
from clr_tuner.job import Job
from tests.conftest import fresh_database
from tests.e2e.service import ROOT, running_service, wait_for
from tests.machine import patience

SHORT = {"reap_s": 0.5, "watch_s": 0.1, "cancel_grace_s": 0.2}
AT_STEP = 10  # of 12

Line = dict[str, Any]


def parsed(log: Path) -> list[Line]:
    """Every line of a log; fails on one that is no JSON object."""
    lines: list[Line] = []
    for text in log.read_text().splitlines():
        try:
            lines.append(json.loads(text, parse_constant=pytest.fail))
        except ValueError:
            pytest.fail(f"{log.name}: {text!r}")
    assert all({"time", "level", "logger", "pid", "message"} <= line.keys() for line in lines)
    return lines


@pytest.fixture(scope="module")
def logs(
    request: pytest.FixtureRequest, broker_url: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What a service said of a job that talks, one that crashes, one that hangs and is cancelled."""
    folder = tmp_path_factory.mktemp("logs")
    with (
        fresh_database("sqlite", folder, request) as url,
        running_service(url, broker_url, folder, log_format="json", **SHORT) as (service, client),
    ):

        def run(fault: str) -> Job:
            params = {"fault": fault, "at_step": AT_STEP}
            sweep = {"num_seeds": 1, "num_steps": 12, "start_lr": 0.001, "end_lr": 0.1}
            return client.range_test("hostile", params=params, **sweep)

        talking, crashing, hanging = run("talk"), run("segfault"), run("sleep")
        talking.wait(timeout_s=patience(60))
        with pytest.raises(JobFailed):
            crashing.wait(timeout_s=patience(60))
        wait_for(
            lambda: "falling asleep" in (folder / "worker.log").read_text()
        )  # it hears no cancel any more
        hanging.cancel()
        with pytest.raises(JobFailed):
            hanging.wait(timeout_s=patience(60))
        httpx2.get(f"{service.url}/jobs/{talking.id}", headers={"X-Request-ID": "mine-1"})
        httpx2.get(f"{service.url}/no%0Ahow", headers={"X-Request-ID": "mine-2"})
    return {
        "api": parsed(folder / "api.log"),
        "worker": parsed(folder / "worker.log"),
        "talking": talking.id,
        "crashing": crashing.id,
        "hanging": hanging.id,
    }


def test_each_request_has_one_line_with_its_id(logs: dict[str, Any]) -> None:
    (job,) = [line for line in logs["api"] if line.get("request_id") == "mine-1"]
    (nowhere,) = [line for line in logs["api"] if line.get("request_id") == "mine-2"]

    assert (job["method"], job["path"], job["status"]) == ("GET", f"/jobs/{logs['talking']}", 200)
    assert 0 < job["duration_ms"] < 10_000
    assert (nowhere["path"], nowhere["status"]) == ("/no%0Ahow", 404)
    assert not any(line.get("path") in ("/healthz", "/readyz") for line in logs["api"])
    assert all("request_id" in line for line in logs["api"] if line["logger"] == "api.middleware")


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ("talking", lambda line: line["message"] == "running hostile"),
        ("talking", lambda line: line["message"] == "two\nlines"),
        ("talking", lambda line: line["message"] == "from a thread"),
        ("talking", lambda line: "no number" in line["message"]),
        ("talking", lambda line: line["message"] == "printed"),
        ("talking", lambda line: line["logger"] == "py.warnings" and "a warning" in line["message"]),
        ("talking", lambda line: "KeyError: 'nothing'" in line.get("traceback", "")),
        ("crashing", lambda line: line["logger"] == "worker.watcher" and "SIGSEGV" in line["message"]),
        ("hanging", lambda line: line["message"] == "cancelled; the job is now cancelled"),
    ],
    ids=["start", "log", "thread", "misfit", "print", "warning", "uncaught", "crash", "cancel"],
)
def test_what_is_said_about_a_job_names_its_attempt(
    logs: dict[str, Any], job: str, says: Callable[[Line], bool]
) -> None:
    lines = [line for line in logs["worker"] if says(line)]

    assert (logs[job], 1) in {(line["job_id"], line["attempt"]) for line in lines}


def test_what_is_no_json_is_spelled_out(logs: dict[str, Any]) -> None:
    line = next(line for line in logs["worker"] if line["message"] == "two\nlines")

    assert line["loss"] == "nan"
    assert "object object" in line["thing"]
    assert line["pair"] == "{(1, 2): 3}"


def test_celery_logs_as_everybody_else(logs: dict[str, Any]) -> None:
    assert {"celery.worker.consumer.connection", "celery.app.trace"} <= {
        line["logger"] for line in logs["worker"]
    }


def test_a_migration_logs_as_everybody_else(tmp_path: Path) -> None:
    environment = os.environ | {
        "CLR_DATABASE_URL": "",
        "CLR_DATA_DIR": str(tmp_path),
        "CLR_LOG_FORMAT": "json",
    }

    ran = subprocess.run(
        [sys.executable, "-m", "migrations"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout == ""
    assert any("0001" in json.loads(line)["message"] for line in ran.stderr.splitlines())


def test_a_process_that_dies_of_an_error_logs_its_traceback_in_one_line(tmp_path: Path) -> None:
    unreachable = "postgresql+psycopg://nobody@127.0.0.1:9/nothing"
    environment = os.environ | {"CLR_DATABASE_URL": unreachable, "CLR_LOG_FORMAT": "json"}

    ran = subprocess.run(
        [sys.executable, "-m", "migrations"],
        cwd=ROOT,
        env=environment | {"CLR_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 1
    (line,) = [json.loads(text) for text in ran.stderr.splitlines()]
    assert "OperationalError" in line["traceback"]
