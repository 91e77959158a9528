"""`clr-tuner run`: a workload's class measured in this process, and what a worker says of the same request."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import clr_tuner as ct
from benchmarks.quality.small import SMALL
from clr.bounds import Bounds
from clr.optimizers import parse_any
from clr.reporting import NoReport
from clr.sweep import SweepPlan
from clr.training.setup import Setup
from clr_tuner.commands.cli import main
from clr_tuner.here.run import plan_test, run_range_test
from clr_tuner.range_test import RangeTest
from store import jobs
from store.database import Database
from store.settings import Settings
from tests.jobs import queue
from tests.services import Server, free_port
from worker.runner import answer_ring
from worker.workloads.digits import DigitsMLP

DIGITS = "worker.workloads.digits:DigitsMLP"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", *arguments], env={"CLR_URL": url, "NO_COLOR": "1"})


def quick_by_a_worker(folder: Path, migrated_sqlite: Path) -> dict[str, Any]:
    """The stored result of `{"workload": "digits-mlp", "effort": "quick"}`."""
    file = folder / "worker.sqlite3"
    file.write_bytes(migrated_sqlite.read_bytes())
    database, workload = Database(f"sqlite:///{file}"), DigitsMLP()
    config = {
        "params": workload.Params().model_dump(),
        "optimizer": parse_any(workload.default_optimizer).model_dump(mode="json"),
        "batch_size": workload.default_batch_size,
        "num_seeds": 1,
        "effort": "quick",
    }
    job_id = queue(database, workload=workload.name, config=config).id
    settings = Settings(database_url=f"sqlite:///{file}", data_dir=folder)
    answer_ring(database, settings, {workload.name: workload}, worker_id="w", ring_id="r", device="cpu")
    with database.read() as session:
        result = jobs.get(session, job_id).result
    database.close()
    assert result is not None
    return result


def test_its_bounds_are_those_of_a_worker_bit_for_bit(
    client: ct.Client, api_server: Server, tmp_path: Path, migrated_sqlite: Path
) -> None:
    result = run(api_server.url, DIGITS, "--effort", "quick", "--device", "cpu", "--json")

    printed, theirs = json.loads(result.stdout), quick_by_a_worker(tmp_path, migrated_sqlite)
    ours = client.job(printed["id"])
    assert isinstance(ours, RangeTest)
    assert (ours.status, ours.outcome, ours.data["measured_by"]) == ("succeeded", "bounds_found", "client")
    of_the_route = ("cost", "depends_on")  # it adds these to the stored result
    found = [Bounds.from_dict(answer).to_dict() for answer in (theirs, printed)]
    expected, actual = [
        {name: value for name, value in answer.items() if name not in of_the_route} for answer in found
    ]
    assert actual == expected


def test_offline_it_prints_the_bounds_and_keeps_a_file_that_can_be_uploaded(
    client: ct.Client, api_server: Server
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    result = run(nobody, DIGITS, "--offline", "--effort", "quick", "--num-steps", "60", "--json")

    kept = json.loads(result.stdout)
    sent = CliRunner().invoke(main, ["upload", kept["file"], "--json"], env={"CLR_URL": api_server.url})
    job = client.job(json.loads(sent.stdout)["id"])
    assert isinstance(job, RangeTest)
    assert job.bounds_data()["max_lr"] == kept["max_lr"]


def test_a_probe_for_a_long_training_counts_in_the_progress_once_it_is_foreseen() -> None:
    config = {"params": {}, "optimizer": {"name": "Adam"}, "batch_size": 8}
    setup = Setup.of(config, SMALL["diabetes-320"], device="cpu")
    test = plan_test(setup.optimizer, start_lr=1e-4, end_lr=3e-3, num_steps=100, num_seeds=2)
    training = {"policy": "one_cycle", "num_steps": 5120}
    told: list[tuple[str, int]] = []

    def listen(plan: SweepPlan, completed: int, total: int) -> None:
        if (plan.phase, total) not in told:
            told.append((plan.phase, total))

    bounds = run_range_test(test, setup, NoReport(), training=training, show=listen)

    assert told == [("test", 200), ("test", 1480), ("probe", 1480)]
    assert isinstance(bounds, Bounds)
    assert bounds.for_budget is not None
    assert bounds.for_budget["basis"] == "turn"


def test_without_a_service_it_says_what_to_do_and_measures_nothing() -> None:
    result = run(f"http://127.0.0.1:{free_port()}", DIGITS)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "--offline keeps a file to upload later" in result.stderr


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_ctrl_c_cancels_the_job(
    client: ct.Client, api_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clr_tuner.commands.progress.ProgressReport.show", interrupt)

    result = run(api_server.url, DIGITS, "--name", "interrupted")

    [job] = [job for job in client.jobs() if job.data["name"] == "interrupted"]
    assert (result.exit_code, job.status) == (130, "cancelled")


def test_ctrl_c_before_there_is_a_job_says_that_nothing_was_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("clr_tuner.here.run.run_range_test", interrupt)

    result = run("http://127.0.0.1:1", DIGITS, "--offline", "--json")

    said = {"code": "interrupted", "detail": "interrupted: nothing was reported"}
    assert (result.exit_code, json.loads(result.stdout)) == (130, said)


@pytest.mark.parametrize("workload", ["its_own:Failing", "no_module_at_all_here:Failing"])
def test_what_the_workload_raises_is_told_with_its_traceback(tmp_path: Path, workload: str) -> None:
    (tmp_path / "its_own.py").write_text(MODULE)
    (tmp_path / "no_module_at_all_here.py").write_text("1 / 0")

    result = run("http://127.0.0.1:1", workload, "--offline", "--json")

    said = {"code": "client_error", "detail": "workload_error: ZeroDivisionError: division by zero"}
    assert (result.exit_code, json.loads(result.stdout)) == (1, said)
    assert f"{workload.partition(':')[0]}.py" in result.stderr


MODULE = """
from clr.problem import DatasetMissing
from clr_tuner import Workload


class Absent(Workload):
    name = "absent"
    description = "its data is not here"

    def build(self, params, *, seed, batch_size, device):
        raise DatasetMissing("the data is not here; bring it with: fetch-data")


class Failing(Absent):
    def build(self, params, *, seed, batch_size, device):
        return 1 / 0


class Unnamed(Absent):
    name = None


class Plain:
    pass
"""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["two_rings"], 2, "must look like my_package:MyWorkload, not 'two_rings'"),
        (["no_such_package:Rings"], 2, "there is no module no_such_package here"),
        (["its_own:Absnt"], 2, "its_own has no Absnt: did you mean Absent? it has Absent, Failing, Unnamed"),
        (["its_own:Plain"], 2, "its_own:Plain must be a subclass of clr_tuner.Workload"),
        (["its_own:Unnamed"], 2, "its_own:Unnamed lacks name"),
        (["its_own:Absent"], 1, "dataset_missing: the data is not here; bring it with: fetch-data"),
        (["its_own:Absent", "--param", "hiden=8"], 2, "hiden: Extra inputs are not permitted"),
        (["its_own:Absent", "--optimizer", "SGD", "--optimizer-param", "momentum=2"], 2, "momentum: "),
        (["its_own:Absent", "--optimizer", "Sofia"], 1, "no optimizer Sofia is installed"),
        (["its_own:Absent", "--device", "abacus"], 2, "device must be one that torch has here"),
        (["its_own:Absent", "--effort", "thorough"], 2, "effort thorough is not to be had here"),
        (["its_own:Absent", "--effort", "quick", "--num-seeds", "2"], 2, "num_seeds must be 1"),
        (["its_own:Absent", "--policy", "one_cycle"], 2, "--policy needs --num-epochs"),
    ],
)
def test_what_is_wrong_says_so_in_a_sentence(
    tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    (tmp_path / "its_own.py").write_text(MODULE)

    result = run("http://127.0.0.1:1", *arguments, "--offline", "--json")

    answer = json.loads(result.stdout)
    assert (result.exit_code, said in answer["detail"]) == (code, True), answer
