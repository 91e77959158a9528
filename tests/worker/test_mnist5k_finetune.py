"""A fine-tuning starts at the same pre-trained weights for every seed, which are made once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from clr.optimizers import parse_optimizer
from clr.training.trainer import Trainer
from worker.workloads import mnist5k_finetune
from worker.workloads.mnist5k_finetune import Mnist5kFinetune, _keep, pretrained

pytestmark = pytest.mark.usefixtures("generated_data", "one_thread")
WORKLOAD = Mnist5kFinetune()


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    pretrained.cache_clear()
    yield
    pretrained.cache_clear()


def build(mode: str, seed: int = 0, **params: Any) -> Any:
    return WORKLOAD.build(WORKLOAD.Params(mode=mode, **params), seed=seed, batch_size=32, device="cpu")


def trainable(model: nn.Module) -> int:
    return sum(one.numel() for one in model.parameters() if one.requires_grad)


def test_seeds_share_the_hidden_layers_and_have_a_head_and_an_order_each() -> None:
    one, other = build("whole", 0), build("whole", 1)

    assert torch.equal(one.model.first.weight, other.model.first.weight)
    assert torch.equal(one.model.second.bias, other.model.second.bias)
    assert not torch.equal(one.model.head.weight, other.model.head.weight)
    assert not torch.equal(next(iter(one.batches))[0], next(iter(other.batches))[0])


def test_adapters_begin_as_the_network_itself_and_train_little_beside_the_head() -> None:
    whole, adapted = build("whole"), build("adapter", rank=2)
    images = whole.held_out[0]

    hidden = [one.model[:5](images) for one in (whole, adapted)]

    torch.testing.assert_close(*hidden)
    assert trainable(adapted.model) == 2 * (784 + 256) + 2 * (256 + 256) + 256 * 5 + 5
    assert trainable(whole.model) > 250_000


@pytest.mark.parametrize("mode", ["whole", "adapter"])
def test_it_learns_the_new_digits_in_an_epoch(mode: str) -> None:
    problem = build(mode)
    trainer = Trainer(problem, parse_optimizer({"name": "AdamW"}), device="cpu")

    for _ in range(62):
        trainer.step(0.003)

    assert trainer.evaluate()[1] > 0.8  # type: ignore[operator]


def test_a_training_moves_what_it_may_alone() -> None:
    problem = build("adapter")
    before = problem.model.first.linear.weight.clone()
    Trainer(problem, parse_optimizer({"name": "AdamW"}), device="cpu").step(0.01)

    assert torch.equal(problem.model.first.linear.weight, before)


def test_the_weights_are_the_same_made_anew_on_any_number_of_threads(
    data_dir: Path,
) -> None:
    made = mnist5k_finetune._pretrain()
    torch.set_num_threads(2)

    again = mnist5k_finetune._pretrain()

    assert torch.get_num_threads() == 2
    assert all(torch.equal(value, again[name]) for name, value in made.items())


def test_they_are_made_once_and_read_afterwards(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = pretrained()
    pretrained.cache_clear()
    monkeypatch.setattr(mnist5k_finetune, "_pretrain", None)

    read = pretrained()

    assert all(torch.equal(value, read[name]) for name, value in made.items())


def test_several_that_keep_them_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "pretrained" / "weights.pt"
    weights = {"weight": torch.ones(10_000)}

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: _keep(weights, file), range(8)))

    assert [path.name for path in file.parent.iterdir()] == ["weights.pt"]
    assert torch.equal(torch.load(file, weights_only=True)["weight"], weights["weight"])
