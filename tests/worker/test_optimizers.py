"""Every optimizer that a request may name runs both kinds of jobs: real workload, real database, no Celery."""

from pathlib import Path
from typing import Any

import pytest

from clr.optimizers import NAMES, parse_optimizer
from store import jobs
from store.database import Database
from store.models import Job
from store.settings import Settings
from tests.jobs import queue
from tests.worker.test_runner import CONFIG as RANGE_TEST
from tests.worker.test_training_jobs import CONFIG as TRAINING
from worker.runner import answer_ring
from worker.workloads.digits import DigitsMLP

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
CYCLES = {"policy": "triangular", "base_lr": 0.002, "max_lr": 0.008, "step_size": 20}
DIGITS = {"params": DigitsMLP.Params().model_dump()}


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
