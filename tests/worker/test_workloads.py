"""The built-in workloads: real data, declared honestly."""

import pytest
import torch

from clr.optimizers import parse_optimizer
from clr.training import Trainer
from clr.workload import Problem, Workload
from worker.catalogue import load_workloads

BUILT_IN = {name: one for name, one in load_workloads().items() if type(one).__module__.startswith("worker.")}
each_workload = pytest.mark.parametrize("workload", BUILT_IN.values(), ids=BUILT_IN)


def build(workload: Workload, seed: int = 0) -> Problem:
    return workload.build(workload.Params(), seed=seed, batch_size=workload.default_batch_size, device="cpu")


def test_the_built_in_workloads_are_found_by_their_entry_points() -> None:
    assert set(BUILT_IN) == {"digits-mlp", "digits-cnn", "mnist5k-cnn"}


@each_workload
def test_the_same_seed_gives_the_same_losses_bit_for_bit(workload: Workload) -> None:
    spec = parse_optimizer(workload.default_optimizer)

    first, again, other = (
        [float(trainer.step(0.01)) for _ in range(10)]
        for trainer in (Trainer(build(workload, seed), spec, device="cpu") for seed in (0, 0, 1))
    )

    assert first == again
    assert first != other


@each_workload
def test_it_learns_at_a_sensible_rate(workload: Workload) -> None:
    trainer = Trainer(build(workload), parse_optimizer(workload.default_optimizer), device="cpu")
    before = trainer.evaluate()[1]

    for _ in range(150):
        trainer.step(0.05)

    after = trainer.evaluate()[1]
    assert before is not None
    assert after is not None
    assert before < 0.3
    assert after > 0.6


@each_workload
def test_the_held_out_set_is_the_same_for_every_seed_and_never_trained_on(workload: Workload) -> None:
    first, other = build(workload, 0), build(workload, 1)
    held_out = {tuple(image.flatten().tolist()) for image in first.held_out[0][:50]}
    trained_on = set()
    for inputs, _ in first.batches:
        trained_on |= {tuple(image.flatten().tolist()) for image in inputs}
        if len(trained_on) > first.train_size / 2:
            break

    assert torch.equal(first.held_out[0], other.held_out[0])
    assert not held_out & trained_on


@each_workload
def test_every_class_is_held_out_in_its_proportion(workload: Workload) -> None:
    counts = build(workload).held_out[1].bincount()

    assert len(counts) == 10
    assert counts.max() - counts.min() <= 3
