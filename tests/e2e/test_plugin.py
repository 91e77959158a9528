"""Somebody's own workload, from `workload new` to bounds through every real process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import fresh_database
from tests.e2e.service import PLUGINS, running_service
from tests.machine import patience

CLR_TUNER = Path(sys.executable).with_name("clr-tuner")


def run(*command: object, cwd: Path, plugins: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(plugins)}
    return subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_a_new_workload_is_installed_checked_and_tested(
    tmp_path: Path, broker_url: str, request: pytest.FixtureRequest
) -> None:
    plugins, service_folder = tmp_path / "plugins", tmp_path / "service"
    service_folder.mkdir()
    install = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--no-build-isolation"]

    for command in (
        [CLR_TUNER, "workload", "new", "two-rings"],
        [*install, "--target", plugins, "./two-rings"],
        [CLR_TUNER, "workload", "check", "two-rings"],
    ):
        ran = run(*command, cwd=tmp_path, plugins=plugins)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.endswith("all is well\n")

    with (
        fresh_database("sqlite", service_folder, request) as url,
        running_service(url, broker_url, service_folder, plugins=plugins) as (_, client),
    ):
        job = client.range_test("two-rings", params={"hidden": 16}, num_seeds=1).wait(timeout_s=patience(90))
        bounds = job.bounds()

    assert job.config["params"] == {"hidden": 16}
    assert 0 < bounds.base_lr < bounds.max_lr


def test_a_check_that_finds_a_problem_exits_1_and_names_the_call(tmp_path: Path) -> None:
    ran = run(CLR_TUNER, "workload", "check", "raising", cwd=tmp_path, plugins=PLUGINS / "broken")

    assert ran.returncode == 1
    assert "problem  build(seed=0) failed, workload_error:" in ran.stdout
    assert "ArithmeticError: the workload's own mistake" in ran.stdout
    assert ran.stdout.endswith("problems: 1, warnings: 0\n")


def test_a_check_says_whose_import_keeps_a_worker_from_forking(tmp_path: Path) -> None:
    ran = run(CLR_TUNER, "workload", "check", "threaded", cwd=tmp_path, plugins=PLUGINS / "threaded")

    assert ran.returncode == 0
    assert "warning  threads were started while workloads were imported: " in ran.stdout


def test_a_workload_that_crashes_the_check_says_where(tmp_path: Path) -> None:
    params = '{"fault": "segfault", "at_step": 1}'

    ran = run(CLR_TUNER, "workload", "check", "hostile", "--params", params, cwd=tmp_path, plugins=PLUGINS)

    assert ran.returncode != 0
    assert "hostile.py" in ran.stderr
