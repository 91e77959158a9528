"""One step at a time, on tensors."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from clr.optimizers import NAMES, parse_optimizer
from clr.problem import Batch, ParameterGroup, Problem, Untrainable
from clr.training import trainer as training
from clr.training.batches import StagedBatches
from clr.training.optimizers import make_optimizer
from clr.training.seeding import seeded
from clr.training.trainer import Trainer

INPUTS = torch.linspace(-1, 1, 60).reshape(30, 2)
TARGETS = (INPUTS.sum(dim=1) > 0).long()
SGD = parse_optimizer({"name": "SGD", "momentum": 0.9})


def problem(
    *, seed: int = 0, batches: Iterable[Batch] | None = None, device: str = "cpu", dropout: float = 0.0
) -> Problem:
    inputs, targets = INPUTS.to(device), TARGETS.to(device)
    if batches is None:
        batches = StagedBatches(inputs, targets, batch_size=8, seed=seed)
    with seeded(seed):
        model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(dropout), nn.Linear(8, 2))
    return Problem(
        model=model,
        loss=nn.CrossEntropyLoss(),
        batches=batches,
        held_out=(inputs, targets),
        train_size=30,
    )


def losses(trainer: Trainer, num_steps: int = 50) -> list[float]:
    return [float(trainer.step(0.05)) for _ in range(num_steps)]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_losses_bit_for_bit(name: str) -> None:
    spec = parse_optimizer({"name": name})

    first, again, other = (losses(Trainer(problem(seed=seed), spec, device="cpu")) for seed in (0, 0, 1))

    assert first == again
    assert first != other


def test_the_loss_is_the_one_before_the_update() -> None:
    batch = (INPUTS[:8], TARGETS[:8])
    built = problem(batches=[batch])
    expected = built.loss(built.model(batch[0]), batch[1]).item()

    assert float(Trainer(built, SGD, device="cpu").step(0.5)) == expected


def test_every_parameter_group_trains_at_the_lr_of_the_step() -> None:
    built = problem()
    before = [parameter.clone() for parameter in built.model.parameters()]
    trainer = Trainer(built, parse_optimizer({"name": "SGD"}), device="cpu")

    trainer.step(0.0)
    still = all(torch.equal(old, new) for old, new in zip(before, built.model.parameters(), strict=True))
    trainer.step(0.5)
    moved = not torch.equal(before[0], next(iter(built.model.parameters())))

    assert still
    assert moved


def test_a_parameter_group_scales_lr_and_weight_decay() -> None:
    built = problem(batches=[(INPUTS[:8], TARGETS[:8])])
    plain, scaled = list(built.model[0].parameters()), list(built.model[1:].parameters())  # type: ignore[index]
    groups = [ParameterGroup(plain), ParameterGroup(scaled, lr_scale=2.0, decay_scale=250.0)]
    built.loss(built.model(INPUTS[:8]), TARGETS[:8]).backward()
    expected = [weight - 0.1 * (weight.grad + 0.004 * weight) for weight in plain]  # type: ignore[operator]
    expected += [weight - 0.2 * (weight.grad + 1.0 * weight) for weight in scaled]  # type: ignore[operator]
    spec = parse_optimizer({"name": "SGD", "weight_decay": 0.004})

    Trainer(replace(built, parameter_groups=groups), spec, device="cpu").step(0.1)

    torch.testing.assert_close([*plain, *scaled], expected)


@pytest.mark.parametrize("name", NAMES)
def test_groups_that_scale_nothing_change_no_bit(name: str) -> None:
    spec = parse_optimizer({"name": name, "weight_decay": 0.01})
    grouped = problem()
    groups = [ParameterGroup([parameter]) for parameter in grouped.model.parameters()]

    expected = losses(Trainer(problem(), spec, device="cpu"))
    found = losses(Trainer(replace(grouped, parameter_groups=groups), spec, device="cpu"))

    assert found == expected


def test_a_parameter_without_a_group_is_a_clear_error() -> None:
    model = nn.Linear(2, 2)

    with pytest.raises(ValueError, match="leave out bias"):
        make_optimizer(SGD, model, [ParameterGroup([model.weight])])


def test_an_evaluation_does_not_change_the_training() -> None:
    undisturbed, looked_at = (Trainer(problem(dropout=0.5), SGD, device="cpu") for _ in range(2))
    torch.manual_seed(3)
    expected = losses(undisturbed, 10)

    torch.manual_seed(3)
    found = []
    for _ in range(10):
        found += losses(looked_at, 1)
        looked_at.evaluate()

    assert found == expected


def test_an_evaluation_answers_mean_loss_and_accuracy() -> None:
    built = problem()
    built.model.eval()
    with torch.no_grad():
        outputs = built.model(INPUTS)
    expected = (
        float(nn.functional.cross_entropy(outputs, TARGETS)),
        float((outputs.argmax(1) == TARGETS).float().mean()),
    )

    loss, accuracy = Trainer(built, SGD, device="cpu").evaluate()

    assert (loss, accuracy) == pytest.approx(expected)


def test_an_epoch_holds_each_example_at_most_once_and_the_next_is_shuffled_anew() -> None:
    numbers = torch.arange(30)
    batches: Iterator[Batch] = iter(StagedBatches(numbers, numbers, batch_size=8, seed=0))

    first, second = (torch.cat([next(batches)[0] for _ in range(3)]) for _ in range(2))

    assert len(first.unique()) == len(second.unique()) == 24
    assert not torch.equal(first, second)


def test_a_batch_larger_than_the_data_is_the_whole_data() -> None:
    inputs, _ = next(iter(StagedBatches(INPUTS, TARGETS, batch_size=1000, seed=0)))

    assert len(inputs) == len(INPUTS)


def test_a_data_loader_serves_as_batches_and_is_restarted() -> None:
    loader = DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=10)

    assert len(losses(Trainer(problem(batches=loader), SGD, device="cpu"), 7)) == 7


def test_batches_that_are_empty_are_a_clear_error() -> None:
    loader = DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=100, drop_last=True)

    with pytest.raises(ValueError, match="batches are empty"):
        Trainer(problem(batches=loader), SGD, device="cpu").step(0.1)


def test_a_loader_without_a_length_serves_as_batches() -> None:
    class Stream(IterableDataset[Batch]):
        def __iter__(self) -> Iterator[Batch]:
            return zip(INPUTS, TARGETS, strict=True)

    loader = DataLoader(Stream(), batch_size=10)

    assert len(losses(Trainer(problem(batches=loader), SGD, device="cpu"), 7)) == 7


def test_an_iterator_that_ends_is_told_what_to_do() -> None:
    trainer = Trainer(problem(batches=iter([(INPUTS, TARGETS)])), SGD, device="cpu")
    trainer.step(0.1)

    with pytest.raises(ValueError, match="cannot begin again, as they are an iterator; put its loop into"):
        trainer.step(0.1)


class Sum(nn.Module):
    """Takes its inputs in a dict and answers two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, inputs: dict[str, Any]) -> tuple[Tensor, Tensor]:
        left, (right,) = inputs["left"], inputs["rest"]
        return self.layer(left + right), left


class OfTheFirst(nn.CrossEntropyLoss):
    """Of several outputs."""

    def forward(self, outputs: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(outputs[0], targets)


@pytest.mark.parametrize("staged", [True, False])
def test_several_inputs_and_outputs_train_and_are_evaluated(staged: bool) -> None:
    inputs = {"left": INPUTS / 2, "rest": (INPUTS / 2,)}
    batches: Any = StagedBatches(inputs, TARGETS, batch_size=8, seed=0) if staged else [(inputs, TARGETS)]
    built = replace(
        problem(), model=Sum(), loss=OfTheFirst(), batches=batches, held_out=(inputs, TARGETS), train_size=30
    )
    trainer = Trainer(built, SGD, device="cpu")

    before, _ = trainer.evaluate()
    losses(trainer)
    after, accuracy = trainer.evaluate()

    assert after < before
    assert accuracy == pytest.approx(
        float((Sum.forward(built.model, inputs)[0].argmax(1) == TARGETS).float().mean())
    )  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
@pytest.mark.parametrize("name", NAMES)
def test_lazy_layers_get_the_same_values_whenever_they_are_made(name: str) -> None:
    def built() -> Problem:
        return replace(
            problem(), model=nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.LazyLinear(2))
        )

    first = losses(Trainer(built(), parse_optimizer({"name": name}), device="cpu"))
    torch.manual_seed(9)
    again = losses(Trainer(built(), parse_optimizer({"name": name}), device="cpu"))

    assert first == again


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_a_lazy_layer_that_the_model_leaves_out_is_named() -> None:
    model = nn.Linear(2, 2)
    model.spare = nn.LazyLinear(2)

    with pytest.raises(Untrainable, match=r"spare\.weight, spare\.bias of a lazy layer got no shape"):
        Trainer(replace(problem(), model=model), SGD, device="cpu")


def test_parts_that_were_put_in_eval_mode_stay_in_it() -> None:
    built = problem()
    frozen: nn.BatchNorm1d = built.model[1]  # type: ignore[index,assignment]
    frozen.eval()
    trainer = Trainer(built, SGD, device="cpu")

    losses(trainer, 3)
    trainer.evaluate()
    losses(trainer, 3)

    assert frozen.num_batches_tracked == 0
    assert [module.training for module in built.model.modules()] == [True, True, False, True, True]


def test_a_model_that_comes_in_eval_mode_is_trained_in_training_mode() -> None:
    built = problem()

    Trainer(replace(built, model=built.model.eval()), SGD, device="cpu")

    assert all(module.training for module in built.model.modules())


def test_what_the_loss_ignores_weighs_nothing_in_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = TARGETS.clone()
    targets[3:10], targets[20:] = -100, -100
    built = replace(problem(), held_out=(INPUTS, targets))
    whole = Trainer(built, SGD, device="cpu").evaluate()

    monkeypatch.setattr(training, "HELD_OUT_CHUNK", 10)
    in_chunks = Trainer(built, SGD, device="cpu").evaluate()

    assert in_chunks == pytest.approx(whole)


def test_a_held_out_set_without_a_target_that_counts_is_refused() -> None:
    built = replace(problem(), held_out=(INPUTS, torch.full_like(TARGETS, -100)))

    with pytest.raises(Untrainable, match="no target that the loss counts"):
        Trainer(built, SGD, device="cpu")


def test_sparse_inputs_are_staged_and_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "HELD_OUT_CHUNK", 10)
    weights = nn.ParameterList([torch.zeros(2, 2)])

    class Product(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = weights

        def forward(self, inputs: Tensor) -> Tensor:
            return torch.sparse.mm(inputs, self.weights[0])

    sparse = INPUTS.to_sparse()
    batches = StagedBatches(sparse, TARGETS, batch_size=8, seed=0)
    trainer = Trainer(
        replace(problem(), model=Product(), batches=batches, held_out=(sparse, TARGETS)), SGD, device="cpu"
    )

    losses(trainer)

    assert trainer.evaluate()[0] < 0.69


def test_a_state_holds_what_the_loss_keeps_and_may_come_from_before_it_did() -> None:
    weighed = replace(problem(), loss=nn.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0])))
    state = Trainer(weighed, SGD, device="cpu").state_dict()
    resumed = Trainer(replace(problem(), loss=nn.CrossEntropyLoss(weight=torch.ones(2))), SGD, device="cpu")
    expected = resumed.evaluate()

    resumed.load_state_dict({name: held for name, held in state.items() if name != "loss"})
    as_before = resumed.evaluate()
    resumed.load_state_dict(state)

    assert as_before == expected
    assert resumed.evaluate() == Trainer(weighed, SGD, device="cpu").evaluate() != expected


def test_seeding_leaves_the_global_generator_as_it_was() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)

    torch.manual_seed(5)
    with seeded(99):
        torch.rand(7)

    assert torch.equal(torch.rand(3), expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_a_gpu_trains_as_the_cpu_does(name: str) -> None:
    spec = parse_optimizer({"name": name})

    on_cpu = losses(Trainer(problem(), spec, device="cpu"), 10)
    on_gpu = losses(Trainer(problem(device="cuda"), spec, device="cuda"), 10)

    assert on_gpu == pytest.approx(on_cpu, rel=1e-3, abs=1e-3)
