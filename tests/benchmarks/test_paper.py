"""The paper's runs are requests that the API takes, and train the paper's network at the paper's rates."""

import json
import math
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from api.requests.training_job import TrainingJobRequest, foresee_warnings
from clr.optimizers import parse_optimizer
from clr.sweep import Point
from clr.training.seeding import seeded
from clr.training.trainer import Trainer
from clr.training_job import TrainingConfig, TrainingPlan, plan_training, run_training
from store.settings import Settings
from tests.worker.datasets import write_cifar10
from worker.workloads import files
from worker.workloads.cifar10 import Cifar10CaffeFull

FOLDER = Path(__file__).parent.parent.parent / "benchmarks" / "paper"
README = (FOLDER / "README.md").read_text()
RUNS = sorted(file.stem for file in FOLDER.glob("*.json"))
EPOCH = 500  # 50,000 images, 100 a batch
STEPS = 40

every_run = pytest.mark.parametrize("run", RUNS)


def request(run: str) -> TrainingJobRequest:
    return TrainingJobRequest.model_validate(json.loads((FOLDER / f"{run}.json").read_text()))


def plan(run: str) -> TrainingPlan:
    asked = request(run)
    return plan_training(TrainingConfig.from_dict(asked.model_dump()), steps_per_epoch=EPOCH)


@pytest.fixture(scope="module")
def cifar10(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Generated images in the folder of the real ones."""
    folder = tmp_path_factory.mktemp("cifar10")
    write_cifar10(folder / "datasets" / "cifar-10-batches-py")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "get_settings", lambda: Settings(data_dir=folder))
        yield
    torch.set_num_threads(threads)


def test_the_table_lists_the_files_with_the_budgets_they_ask_for() -> None:
    told = re.findall(r"^\| `([\w-]+)`.*? \| ([\d,]+\d)", README, re.MULTILINE)

    assert sorted(told) == [(run, f"{request(run).num_steps:,}") for run in RUNS]


@every_run
def test_the_budget_is_whole_cycles_but_where_the_table_says_otherwise(run: str) -> None:
    asked = request(run)
    config = asked.model_dump() | {"resume_at": 0}

    warnings = foresee_warnings(config, max_steps=Settings().max_steps)

    rounded = 44_000 if "exp-range" in run else asked.num_steps
    assert plan(run).num_steps == rounded
    assert bool(warnings) == (rounded != asked.num_steps)


def test_a_look_falls_on_the_step_where_the_paper_stopped_exp_range() -> None:
    assert plan("table1-exp-range").eval_every == EPOCH


@pytest.mark.parametrize(
    ("run", "step", "lr"),
    [
        ("table1-fixed", 59_999, 1e-3),
        ("table1-fixed", 60_000, 1e-4),
        ("table1-fixed", 69_999, 1e-5),
        ("table1-triangular2", 2_000, 5e-3),
        ("table1-triangular2", 14_000, 1.5e-3),
        ("table1-triangular2", 17_000, 5e-4),
        ("table1-triangular2", 22_500, 5e-5),
        ("table1-decay", 0, 7e-3),
        ("table1-decay", 2_000, 4e-3),
        ("table1-decay", 24_999, 1e-3),
        ("table1-exp", 69_999, 1.5e-5),
        ("table1-exp-range", 42_000, 1.4e-3),
        ("table1-exp-range-paper", 42_000, 4.8e-4),
        ("table3-adagrad-triangular-25k", 2_500, 0.035),
        ("table3-rmsprop-fixed", 69_999, 1e-4),
    ],
)
def test_rates_are_those_of_the_paper(run: str, step: int, lr: float) -> None:
    assert plan(run).schedule(step) == pytest.approx(lr, rel=0.02)


@every_run
@pytest.mark.usefixtures("cifar10")
def test_it_trains_on_images_in_the_format_of_cifar10(run: str) -> None:
    asked, workload = request(run), Cifar10CaffeFull()
    optimizer: Any = asked.optimizer or parse_optimizer(workload.default_optimizer)
    problem = workload.build(workload.Params(), seed=0, batch_size=10, device="cpu")
    trainer = Trainer(problem, optimizer, device="cpu")

    with seeded(0):
        points = list(islice(run_training(plan(run), trainer.step, trainer.evaluate), STEPS))

    assert [type(point) for point in points] == [Point] * STEPS
    assert all(math.isfinite(point.loss) for point in points)
    assert optimizer.weight_decay == 0.004
