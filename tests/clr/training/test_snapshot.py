"""Nothing stays behind: loops of any parts, held byte by byte."""

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import nn

from clr.range_test import RangeTestConfig
from clr.training.lr_finder import LRFinder
from clr.training.snapshot import Snapshot
from tests.clr.training.loop_kit import BESIDE, MODULES, OPTIMIZERS, Loop

SHORT = RangeTestConfig(start_lr=1e-4, end_lr=1e-2, num_steps=12, num_seeds=2)


def swept(loop: Loop, *, ends: str, at: int) -> LRFinder:
    with LRFinder(loop.model, loop.optimizer, evaluate=loop.evaluate, config=SHORT, also=loop.also) as finder:
        for count, batch in enumerate(finder.batches(loop.loader)):
            finder.step(loop.train_on(*batch))
            if count == at and ends == "break":
                break
            if count == at and ends == "error":
                raise KeyboardInterrupt
    return finder


@settings(
    max_examples=25, derandomize=True, deadline=None, database=None, phases=[Phase.explicit, Phase.generate]
)
@given(
    modules=st.lists(st.integers(0, len(MODULES) - 1), min_size=1, max_size=4),
    optimizer=st.integers(0, len(OPTIMIZERS) - 1),
    beside=st.sets(st.sampled_from(BESIDE)),
    trained=st.integers(0, 4),
    ends=st.sampled_from(["itself", "break", "error"]),
    at=st.integers(0, 20),
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's, of schedulers stepped where the scaler skipped
def test_whatever_a_loop_is_made_of_every_byte_is_as_it_was(
    modules: list[int], optimizer: int, beside: set[str], trained: int, ends: str, at: int
) -> None:
    loop = Loop(modules, optimizer, beside)
    for _ in range(trained):
        for batch in loop.loader:
            loop.train_on(*batch)
            break
    before = loop.every_byte()

    try:
        swept(loop, ends=ends, at=at)
    except KeyboardInterrupt:
        assert ends == "error"

    assert loop.every_byte() == before


class Stateful(nn.Module):
    """The hidden state of F2's kind: each batch goes on where the one before ended."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)
        self.h = torch.zeros(2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.linear(inputs) + self.h
        self.h = outputs.detach().mean(0)
        return outputs


INPUTS = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
TARGETS = (INPUTS.sum(1) > 0).long()
BATCHES = list(zip(INPUTS.split(8), TARGETS.split(8), strict=True))


def find(
    model: nn.Module, optimizer: Any, *, num_seeds: int = 1, after: Any = lambda: None, **options: Any
) -> LRFinder:
    """Four ranges at most; `after` is called after each update."""
    config = RangeTestConfig(start_lr=1e-3, end_lr=1.0, num_steps=20, num_seeds=num_seeds)
    with LRFinder(model, optimizer, **{"config": config} | options) as finder:
        for inputs, targets in finder.batches(BATCHES):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            after()
            finder.step(loss)
    return finder


def sgd(model: nn.Module, **options: Any) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), **{"lr": 0.1} | options)


def first_losses(finder: LRFinder) -> set[float]:
    return {sweep.points[0].loss for sweep in finder.sweeps}


def test_a_hidden_state_does_not_cross_into_the_next_sweep() -> None:
    model = Stateful()
    before = model.h

    finder = find(model, sgd(model), config=RangeTestConfig(num_seeds=1))

    assert len(finder.sweeps) > 2
    assert len(first_losses(finder)) == 1
    assert model.h is before
    assert torch.equal(before, torch.zeros(2))


@dataclass(frozen=True, slots=True)
class Slotted:
    """What has no `__dict__`."""

    h: torch.Tensor
    later: torch.Tensor = field(init=False)


class SlottedState(Stateful):
    """Keeps its hidden state there, whose tensors it changes in place and binds anew."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = Slotted(torch.zeros(2))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs = super().forward(inputs) + self.kept.h
        self.kept.h.add_(1)
        object.__setattr__(self.kept, "h", self.kept.h + 1)
        object.__setattr__(self.kept, "later", self.kept.h)
        return outputs


def test_what_a_dataclass_keeps_in_slots_is_as_it_was() -> None:
    model = SlottedState()
    before = model.kept.h

    finder = find(model, sgd(model), config=RangeTestConfig(num_seeds=1))

    assert len(first_losses(finder)) == 1
    assert model.kept.h is before
    assert torch.equal(before, torch.zeros(2))
    assert not hasattr(model.kept, "later")


def test_a_module_that_became_another_class_is_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(4, 2))

    def after() -> None:
        if not nn.utils.parametrize.is_parametrized(model[0]):
            nn.utils.parametrizations.weight_norm(model[0])

    find(model, sgd(model), after=after)

    assert type(model[0]) is nn.Linear
    assert model(INPUTS).shape == (64, 2)


def test_a_finder_that_is_handed_over_with_its_holder_measures_all_the_same() -> None:
    class Own:
        finder: LRFinder
        calls = 0

    own, model = Own(), Stateful()
    optimizer = sgd(model)
    own.finder = LRFinder(model, optimizer, config=SHORT, also=[own])
    with own.finder as finder:
        for inputs, targets in finder.batches(BATCHES):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            own.calls += 1
            finder.step(loss)

    assert len(finder.sweeps) >= SHORT.num_seeds
    assert own.calls == 0


def test_a_look_leaves_the_hidden_state_alone() -> None:
    torch.manual_seed(0)
    models = [Stateful(), Stateful()]
    models[1].load_state_dict(models[0].state_dict())

    def look() -> tuple[float, None]:
        return float(models[0](100 * INPUTS).mean()), None

    seen = find(models[0], sgd(models[0]), evaluate=look)
    unseen = find(models[1], sgd(models[1]))

    assert [sweep.points for sweep in seen.sweeps] == [sweep.points for sweep in unseen.sweeps]


def test_whatever_fails_everything_else_is_restored_and_the_first_error_told() -> None:
    class Stubborn:
        def __init__(self) -> None:
            self.value = 0

        def state_dict(self) -> dict[str, Any]:
            return {}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            raise OSError("no")

    weight, generator = nn.Parameter(torch.zeros(3)), torch.Generator()
    snapshot = Snapshot()
    drawn = generator.get_state()
    for one in (Stubborn(), Stubborn()):
        snapshot.hand_over(one)
    snapshot.add([weight, generator])
    with torch.no_grad():
        weight.add_(1)
    torch.rand(1, generator=generator)

    with pytest.raises(OSError, match="no") as raised:
        snapshot.restore()

    assert len(raised.value.__notes__) == 1
    assert torch.equal(weight, torch.zeros(3))
    assert torch.equal(generator.get_state(), drawn)


def test_memory_that_cannot_be_written_to_is_left_alone(tmp_path: Any) -> None:
    (tmp_path / "table").write_bytes(INPUTS.numpy().tobytes())
    mapped = torch.from_file(str(tmp_path / "table"), shared=False, size=INPUTS.numel())
    model = nn.Linear(4, 2)
    model.register_buffer("table", mapped)
    version = mapped._version

    find(model, sgd(model))

    assert mapped._version == version


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Please use quant_min:UserWarning")
def test_a_model_in_training_for_quantisation_is_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    model.qconfig = torch.ao.quantization.get_default_qat_qconfig("fbgemm")
    torch.ao.quantization.prepare_qat(model, inplace=True)
    before = {name: one.clone() for name, one in model.state_dict().items()}

    find(model, sgd(model))

    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], one) for name, one in after.items())


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda model: torch.compile(model, backend="eager"),
        nn.DataParallel,
        torch.jit.script,
        nn.utils.parametrizations.weight_norm,
        nn.utils.parametrizations.spectral_norm,
    ],
    ids=["compiled", "parallel", "scripted", "weight norm", "spectral norm"],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_wrapped_models_are_as_they_were(wrapped: Any) -> None:
    model = wrapped(nn.Linear(4, 2))
    optimizer = sgd(model, momentum=0.9)
    before = {name: one.clone() for name, one in model.state_dict().items()}

    finder = find(model, optimizer, num_seeds=2)

    assert all(torch.equal(before[name], one) for name, one in model.state_dict().items())
    assert [len(sweep.points) for sweep in finder.sweeps] == [20, 20]
    assert finder.sweeps[0].points[0] == finder.sweeps[1].points[0]


def test_sparse_gradients_and_their_optimizer_are_as_they_were() -> None:
    model = nn.EmbeddingBag(8, 2, sparse=True)
    before = model.weight.clone()
    optimizer = torch.optim.SparseAdam(model.parameters(), lr=0.1)
    config = RangeTestConfig(start_lr=1e-3, end_lr=1.0, num_steps=20, num_seeds=2)

    with LRFinder(model, optimizer, config=config) as finder:
        for inputs, targets in finder.batches([(torch.arange(8).reshape(2, 4), torch.tensor([0, 1]))]):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            finder.step(loss)

    assert torch.equal(model.weight, before)
    assert model.weight.grad is None
    assert not optimizer.state


def test_what_is_handed_over_is_as_it_was() -> None:
    class Average:
        def __init__(self) -> None:
            self._mean = torch.zeros(())

        def state_dict(self) -> dict[str, Any]:
            return {"mean": self._mean}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self._mean = state["mean"]

    model, teacher, average, table = nn.Linear(4, 2), nn.Linear(4, 2), Average(), {"h": torch.zeros(2)}
    before = teacher.weight.clone()

    def after() -> None:
        with torch.no_grad():
            teacher.weight.add_(1)
            average._mean += 1
            table["h"], table["new"] = table["h"] + 1, torch.ones(1)

    find(model, sgd(model), after=after, also=[teacher, average, table])

    assert torch.equal(teacher.weight, before)
    assert average._mean == 0
    assert table.keys() == {"h"}
    assert torch.equal(table["h"], torch.zeros(2))


@pytest.mark.parametrize("thing", [5, "model", print, lambda: None, nn.Linear, None])
def test_what_holds_nothing_to_restore_is_refused(thing: Any) -> None:
    model = nn.Linear(4, 2)

    with pytest.raises(ValueError, match=r"nothing in .* can be restored"):
        LRFinder(model, sgd(model), also=[thing]).__enter__()


def test_generators_of_a_dataset_and_its_transforms_are_as_they_were() -> None:
    class Noisy(torch.utils.data.Dataset[torch.Tensor]):
        def __init__(self) -> None:
            self.transforms = [np.random.default_rng(0), {"python": random.Random(0)}]

        def __len__(self) -> int:
            return 32

        def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
            ours, pythons = self.transforms[0], self.transforms[1]["python"]
            return INPUTS[index] + float(ours.random()) + pythons.random(), TARGETS[index]

    dataset, model = Noisy(), nn.Linear(4, 2)
    before = repr(dataset.transforms[0].bit_generator.state), dataset.transforms[1]["python"].getstate()
    optimizer = sgd(model)

    with LRFinder(model, optimizer, config=SHORT) as finder:
        for inputs, targets in finder.batches(torch.utils.data.DataLoader(dataset, batch_size=8)):
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            finder.step(loss)

    after = repr(dataset.transforms[0].bit_generator.state), dataset.transforms[1]["python"].getstate()
    assert after == before
    assert len(first_losses(finder)) == 1
