"""Every optimizer that a request may name runs both kinds of jobs: real workload, real database, no Celery."""

from pathlib import Path
from typing import Any

import pytest

from clr.optimizer_plugin import describe_plugin
from clr.optimizers import NAMES, parse_optimizer
from store import jobs
from store.database import Database
from store.models import Job
from store.settings import Settings
from tests.jobs import queue
from tests.worker.test_runner import CONFIG as RANGE_TEST
from tests.worker.test_training_jobs import CONFIG as TRAINING
from worker.catalogue import load_optimizers
from worker.runner import answer_ring
from worker.workloads.digits import DigitsMLP

pytestmark = pytest.mark.usefixtures("one_thread")
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CYCLES = {"policy": "triangular", "base_lr": 0.002, "max_lr": 0.008, "step_size": 20}
DIGITS = {"params": DigitsMLP.Params().model_dump()}


STEPPERS = Path(__file__).parent.parent / "plugins" / "steppers"


def run(database: Database, settings: Settings, kind: str, config: dict[str, Any]) -> Job:
    job_id = queue(database, kind=kind, workload="digits-mlp", config=config | DIGITS).id
    answer_ring(
        database,
        settings,
        {"digits-mlp": DigitsMLP()},
        worker_id="w",
        ring_id="r",
        device="cpu",
    )
    with database.read() as session:
        return jobs.get(session, job_id)


def spelled(name: str) -> dict[str, Any]:
    """As the API stores it."""
    return parse_optimizer({"name": name}).model_dump(mode="json")


@on_sqlite
@pytest.mark.parametrize("name", NAMES)
def test_a_range_test_with_it_ends_with_bounds(database: Database, settings: Settings, name: str) -> None:
    asked = (
        {"effort": "standard", "end_lr": 0.05} if name == "Adafactor" else {"effort": "quick"}
    )  # as the API does

    job = run(
        database,
        settings,
        "range_test",
        RANGE_TEST | {"optimizer": spelled(name), "num_seeds": 1} | asked,
    )

    assert (job.status, job.outcome) == ("succeeded", "bounds_found"), job.message or job.result


@on_sqlite
@pytest.mark.parametrize("name", NAMES)
def test_a_training_job_with_it_learns(
    database: Database, settings: Settings, name: str, tmp_path: Path
) -> None:
    rates = {"Adadelta": 100, "SGD": 10, "ASGD": 10, "Adagrad": 5}.get(name, 1)
    schedule = CYCLES | {bound: CYCLES[bound] * rates for bound in ("base_lr", "max_lr")}  # type: ignore[operator]
    here = settings.model_copy(update={"data_dir": tmp_path})

    job = run(database, here, "training_job", TRAINING | {"optimizer": spelled(name), "schedule": schedule})

    assert (job.status, job.outcome) == ("succeeded", "trained"), job.message
    assert job.result is not None
    assert job.result["best"]["accuracy"] > 0.8


@on_sqlite
@pytest.mark.parametrize("kind", ["range_test", "training_job"])
@pytest.mark.parametrize("name", ["modal", "by-loss", "by-closure"])
def test_so_does_one_of_an_installed_package(
    database: Database, settings: Settings, name: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(STEPPERS))
    config = {"range_test": RANGE_TEST | {"effort": "quick", "num_seeds": 1}, "training_job": TRAINING}[kind]

    job = run(database, settings, kind, config | {"optimizer": {"name": name, "momentum": 0.5}})

    assert job.status == "succeeded", job.message


@on_sqlite
def test_a_worker_that_lacks_it_says_so(database: Database, settings: Settings) -> None:
    job = run(database, settings, "range_test", RANGE_TEST | {"optimizer": {"name": "absent"}})

    assert (job.status, job.reason) == ("failed", "invalid_workload")
    assert job.message == "no optimizer absent is installed on this worker: install its package there"


def test_the_catalogue_describes_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(STEPPERS))

    described = {name: describe_plugin(plugin) for name, plugin in load_optimizers().items()}

    assert sorted(described) == ["by-closure", "by-loss", "modal", "scaled"]
    assert described["scaled"]["lr_meaning"] == "multiplier"
    assert set(described["modal"]["params_schema"]["properties"]) == {"momentum", "weight_decay"}


def test_one_that_cannot_be_loaded_is_logged_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    info = tmp_path / "away-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: away\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[clr_tuner.optimizers]\naway = away_package:Away\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    assert load_optimizers() == {}
    assert "optimizer away (away_package:Away) cannot be loaded" in caplog.text
