"""What cannot be tested is refused in a sentence; what can be read is read."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from clr.bounds import Bounds, Inconclusive
from clr.cycles import DEFAULT_STEP_SIZE
from clr.range_test import RangeTestConfig
from clr.training.lr_finder import LRFinder

INPUTS = torch.randn(256, 4, generator=torch.Generator().manual_seed(1))
TARGETS = (INPUTS.sum(dim=1) > 0).long()
DATA = TensorDataset(INPUTS, TARGETS)
QUICK = RangeTestConfig(effort="quick")


class Task:
    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.05, momentum=0.9)

    def find(self, loader: Any, *, until: int = 10**9, step: Any = None, **options: Any) -> LRFinder:
        with LRFinder(self.model, self.optimizer, **{"config": QUICK} | options) as finder:
            for count, (inputs, targets) in enumerate(finder.batches(loader), start=1):
                self.optimizer.zero_grad()
                outputs = self.model(inputs)
                loss = nn.functional.cross_entropy(outputs, targets)
                loss.backward()
                self.optimizer.step()
                finder.step(loss if step is None else step(outputs))
                if count == until:
                    break
        return finder


def a_loader(**options: Any) -> DataLoader[Any]:
    return DataLoader(DATA, **{"batch_size": 32, "shuffle": True} | options)


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(DATA[index] for index in range(len(DATA)))


class Wrapper:
    """What a generator function gives, anew each time."""

    def __iter__(self) -> Iterator[Any]:
        yield from a_loader()


@pytest.mark.parametrize(
    "loader", [DataLoader(Stream(), batch_size=32), Wrapper()], ids=["stream", "wrapper"]
)
def test_a_loader_without_a_length_is_swept(loader: Any) -> None:
    found = Task().find(loader, config=RangeTestConfig(num_seeds=1)).bounds()

    assert isinstance(found, Bounds), found
    assert found.steps_per_epoch is None
    assert found.step_size == DEFAULT_STEP_SIZE


def test_a_list_of_pairs_is_a_loader() -> None:
    found = Task().find(list(a_loader())).bounds()

    assert isinstance(found, Bounds), found
    assert found.steps_per_epoch == 8


@pytest.mark.parametrize(
    "iterator",
    [
        lambda: iter(a_loader()),
        lambda: zip(INPUTS, TARGETS, strict=True),
        lambda: (one for one in a_loader()),
    ],
    ids=["iterator", "zip", "generator"],
)
def test_an_iterator_is_refused_at_the_start(iterator: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match="hand over the loader, not an iterator"):
        Task().find(iterator())


def test_an_iterator_in_disguise_is_told_when_it_ends() -> None:
    class Disguised:
        def __init__(self) -> None:
            self.iterator = iter(a_loader())

        def __iter__(self) -> Iterator[Any]:
            return self.iterator

    with pytest.raises(ValueError, match="cannot begin again"):
        Task().find(Disguised())


def test_a_loader_that_drops_its_only_batch_is_refused_with_the_cause() -> None:
    with pytest.raises(ValueError, match="drop_last"):
        Task().find(a_loader(batch_size=300, drop_last=True))


@pytest.mark.parametrize("loader", [5, None])
def test_what_gives_no_batches_is_refused(loader: Any) -> None:
    with pytest.raises(ValueError, match="something that gives batches"):
        Task().find(loader)


@pytest.mark.parametrize("accuracy", [12.5, -0.1, 1.01, float("nan"), float("inf")])
def test_an_accuracy_that_is_no_share_is_refused_at_the_first_look(accuracy: float) -> None:
    task, looks = Task(), []

    def evaluate() -> tuple[float, float]:
        looks.append(accuracy)
        return 1.0, accuracy

    with pytest.raises(ValueError, match=r"accuracy must lie in \[0, 1\]"):
        task.find(a_loader(), evaluate=evaluate)

    assert len(looks) == 1
    assert task.optimizer.param_groups[0]["lr"] == 0.05


@pytest.mark.parametrize("answer", [0.5, None, (0.5,), (0.5, 0.5, 0.5), (None, 0.5), "01x", torch.ones(3)])
def test_an_evaluate_that_answers_no_pair_is_told_what_to_answer(answer: Any) -> None:
    with pytest.raises(ValueError, match=r"evaluate must answer two numbers, \(loss, accuracy\)"):
        Task().find(a_loader(), evaluate=lambda: answer)


def test_a_look_of_tensors_is_taken() -> None:
    finder = Task().find(a_loader(), evaluate=lambda: (torch.tensor(0.5), torch.tensor([0.25])))

    assert finder.sweeps[0].held_out[0].accuracy == 0.25


@pytest.mark.parametrize(
    ("step", "shown"),
    [
        (lambda outputs: outputs, r"a tensor of shape \(32, 2\)"),
        (lambda outputs: (outputs, 1.0), "tuple"),
        (lambda outputs: {"loss": 1.0}, "dict"),
        (lambda outputs: "loss", "str"),
    ],
)
def test_a_step_without_a_loss_is_told_what_it_takes(step: Any, shown: str) -> None:
    with pytest.raises(ValueError, match=f"the batch's loss, a single number; got {shown}"):
        Task().find(a_loader(), step=step)


def test_model_and_optimizer_swapped_are_told() -> None:
    task = Task()

    with pytest.raises(ValueError, match="the model comes first"):
        LRFinder(task.optimizer, task.model)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "optimizer", "says"),
    [
        (lambda inputs: inputs, torch.optim.SGD([torch.ones(1)], lr=1), "model must be a torch.nn.Module"),
        ([nn.Linear(1, 1)], torch.optim.SGD([torch.ones(1)], lr=1), "nn.ModuleList"),
        (nn.Linear(1, 1), torch.optim.SGD, "optimizer must be"),
        (nn.Linear(1, 1), None, "optimizer must be"),
        (nn.Linear(1, 1), nn.Linear(1, 1), "optimizer must be"),
    ],
)
def test_what_is_no_model_or_no_optimizer_is_refused(model: Any, optimizer: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        LRFinder(model, optimizer)


def test_a_config_may_be_a_dict() -> None:
    finder = Task().find(a_loader(), config={"effort": "quick", "num_steps": 30})

    assert [len(sweep.points) for sweep in finder.sweeps] == [30]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"num_step": 30}, "config has no 'num_step'; it has seed, num_seeds"),
        ({"num_steps": "30"}, "wrong type"),
        ("quick", "a dict of its fields; got 'quick'"),
    ],
)
def test_a_config_of_another_kind_is_refused(config: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        LRFinder(Task().model, Task().optimizer, config=config)


def test_bounds_before_the_loop_say_what_to_do_first() -> None:
    task = Task()

    with pytest.raises(RuntimeError, match="nothing was measured yet"):
        LRFinder(task.model, task.optimizer).bounds()


def test_a_step_outside_the_loop_is_refused() -> None:
    task = Task()

    with pytest.raises(RuntimeError, match="step once per batch"):
        LRFinder(task.model, task.optimizer).step(1.0)


def test_a_loop_left_in_its_first_sweep_is_read_as_far_as_it_came() -> None:
    found = Task().find(a_loader(), until=180).bounds()

    assert isinstance(found, Bounds), found
    assert any("ended after 180 of the 200 steps" in warning for warning in found.warnings)
    assert found.max_lr < 10 ** (-6 + 7 * 179 / 199)


def test_a_loop_left_too_soon_says_so() -> None:
    found = Task().find(a_loader(), until=5).bounds()

    assert isinstance(found, Inconclusive)
    assert found.message == "the loop ended before its first sweep did, after 5 of its 200 steps"


def test_a_loop_left_later_is_read_from_the_sweeps_that_ended() -> None:
    finder = Task().find(a_loader(), until=350, config=RangeTestConfig())

    assert len(finder.sweeps) >= 1
    assert any("ended before the test did" in warning for warning in finder.bounds().warnings)


def test_after_the_with_block_there_are_no_more_batches() -> None:
    finder = Task().find(a_loader())

    with pytest.raises(RuntimeError, match="`with` block"):
        next(finder.batches(a_loader()))


def test_batches_that_outlive_the_with_block_are_told_so() -> None:
    task = Task()
    with LRFinder(task.model, task.optimizer) as finder:
        batches = finder.batches(a_loader())
        next(batches)

    with pytest.raises(RuntimeError, match="`with` block"):
        next(batches)


def test_a_finder_in_use_is_not_entered_again() -> None:
    task = Task()
    finder = LRFinder(task.model, task.optimizer)

    with finder, pytest.raises(RuntimeError, match="this finder is in use"), finder:
        pass

    assert not task.optimizer._optimizer_step_pre_hooks


def test_a_test_may_be_run_again() -> None:
    task = Task()
    finder = task.find(a_loader())
    first = finder.sweeps

    with finder:
        for inputs, targets in finder.batches(a_loader()):
            task.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(task.model(inputs), targets)
            loss.backward()
            task.optimizer.step()
            finder.step(loss)

    assert finder.sweeps == first
