"""What a plain torch loop trains passes the check, is range-tested and trained, or is refused in a sentence."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from store import jobs, runs
from store.database import Database
from store.models import Job
from store.settings import Settings
from store.status import Reason, Status
from tests.jobs import queue
from tests.worker import test_training_jobs
from worker.check.__main__ import check
from worker.runner import answer_ring

TEST: dict[str, Any] = {
    "params": {},
    "batch_size": 20,
    "seed": 0,
    "num_seeds": 1,
    "start_lr": 1e-3,
    "end_lr": 1.0,
    "num_steps": 100,
    "effort": "quick",
    "timeout_s": 600.0,
}
UNUSUAL = Path(__file__).parent.parent / "plugins" / "unusual"
TRAIN = [
    "sparse",
    "complex",
    "double",
    "lazy",
    "in-dim-1",
    "several-outputs",
    "yes-or-no",
    "probable",
    "stream",
]

pytestmark = [
    pytest.mark.filterwarnings("ignore:Lazy modules are a new feature"),
    pytest.mark.filterwarnings("ignore:Sparse invariant checks"),
]


@pytest.fixture(autouse=True)
def unusual(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the unusual workloads, installed."""
    monkeypatch.syspath_prepend(str(UNUSUAL))
    return import_module("unusual")


def run(
    kind: str, name: str, database: Database, settings: Settings, workloads: Any, config: dict[str, Any]
) -> Job:
    optimizer = workloads[name].default_optimizer
    job_id = queue(database, kind=kind, workload=name, config={"optimizer": optimizer} | config).id
    answer_ring(database, settings, workloads, worker_id="w", ring_id="r", device="cpu")
    with database.read() as session:
        return jobs.get(session, job_id)


@pytest.mark.parametrize("name", TRAIN)
def test_it_passes_the_check(name: str) -> None:
    said: list[str] = []

    assert check(name, None, num_steps=5, say=said.append), said
    assert said[-1] == "all is well"


@pytest.mark.parametrize("name", TRAIN)
def test_it_is_range_tested(name: str, database: Database, settings: Settings, unusual: Any) -> None:
    job = run("range_test", name, database, settings, unusual.ALL, TEST)

    assert job.status == Status.SUCCEEDED, job.message
    with database.read() as session:
        [stored] = runs.load(session, job.id)
    accuracies = stored.series["held_out"]["accuracy"]
    assert accuracies.max() > accuracies[0]


@pytest.mark.parametrize("name", TRAIN)
def test_it_is_trained_and_goes_on_from_its_checkpoint_bit_for_bit(
    name: str, database: Database, settings: Settings, unusual: Any, tmp_path: Path
) -> None:
    here = settings.model_copy(update={"data_dir": tmp_path / "data"})
    config = test_training_jobs.CONFIG | {"params": {}, "optimizer": unusual.ALL[name].default_optimizer}
    whole = run("training_job", name, database, here, unusual.ALL, config | {"num_cycles": 2})
    half = run("training_job", name, database, here, unusual.ALL, config | {"num_cycles": 1})
    rest = config | {"num_cycles": 1, "resume_from": half.id, "resume_at": 40}
    resumed = run("training_job", name, database, here, unusual.ALL, rest)

    assert whole.status == Status.SUCCEEDED, whole.message
    assert resumed.status == Status.SUCCEEDED, resumed.message
    with database.read() as session:
        [expected], [found] = (runs.load(session, job.id) for job in (whole, resumed))
    if name != "stream":  # any source but StagedBatches begins a new pass
        np.testing.assert_array_equal(expected.series["train"]["loss"][40:], found.series["train"]["loss"])


def test_a_stream_has_no_epoch_and_the_default_step_size(
    database: Database, settings: Settings, unusual: Any
) -> None:
    job = run("range_test", "stream", database, settings, unusual.ALL, TEST | {"num_steps": 200})

    assert job.result is not None
    assert (job.result["steps_per_epoch"], job.result["step_size"]) == (None, 2000)


def test_a_budget_in_epochs_of_a_stream_is_refused(
    database: Database, settings: Settings, unusual: Any
) -> None:
    config = test_training_jobs.CONFIG | {"params": {}, "num_cycles": None, "num_epochs": 3}

    job = run("training_job", "stream", database, settings, unusual.ALL, config)

    assert (job.reason, job.message) == (
        Reason.INVALID_BUDGET,
        "this workload's epoch has no known length: say it in steps or cycles",
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "sparse-adam",
            "AdamW does not go with the sparse gradient of 0.weight: choose SGD or Adagrad as optimizer",
        ),
        (
            "dropped",
            "batches are empty; a DataLoader with drop_last has none where a batch is larger than the data",
        ),
    ],
)
def test_what_cannot_train_is_refused_alike_by_the_check_and_by_a_job(
    name: str, message: str, database: Database, settings: Settings, unusual: Any
) -> None:
    said: list[str] = []

    passed = check(name, None, num_steps=5, say=said.append)
    job = run("range_test", name, database, settings, unusual.ALL, TEST)

    assert not passed
    assert message in said[-2]
    assert (job.status, job.reason) == (Status.FAILED, Reason.INVALID_WORKLOAD)
    assert message in str(job.message)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "either-dim",
            "outputs (20, 10, 10) may have their classes in dim 2 or in dim 1, and accuracy takes dim 2",
        ),
        ("summed", "the loss is a sum over the batch"),
        ("idle", "nothing trains temperature of the loss"),
    ],
)
def test_what_is_likely_not_meant_is_a_warning(name: str, message: str) -> None:
    said: list[str] = []

    assert check(name, None, num_steps=5, say=said.append), said
    [warning] = [line for line in said if line.startswith("warning")]
    assert message in warning


def test_a_last_batch_of_one_example_is_a_problem_where_batch_norm_is() -> None:
    said: list[str] = []

    assert not check("leaves-one", None, num_steps=2, say=said.append)
    assert "the last batch of a pass is one example; say drop_last=True" in said[-2]
