"""Each update uses the planned rate, whatever in the loop sets another; and schedulers stand where they stood."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import (
    CosineAnnealingWarmRestarts,
    CyclicLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from clr.policies import parse_schedule
from clr.range_test import RangeTestConfig
from clr.rates import Rates
from clr.scheduler import Scheduler
from clr.training.lr_finder import LRFinder

INPUTS = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
TARGETS = (INPUTS.sum(1) > 0).long()
BATCHES = list(zip(INPUTS.split(8), TARGETS.split(8), strict=True))
CONFIG = RangeTestConfig(start_lr=1e-3, end_lr=1.0, num_steps=20, num_seeds=2)


def a_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(4, 2)


def sgd(model: nn.Module, **options: Any) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), **{"lr": 0.1, "momentum": 0.9} | options)


def find(
    model: nn.Module,
    optimizer: Any,
    *,
    before: Callable[[], object] = lambda: None,
    after: Callable[[], object] = lambda: None,
    late: Callable[[], object] = lambda: None,
) -> LRFinder:
    """before, after: the optimizer's step; late: after the finder's."""
    with LRFinder(model, optimizer, config=CONFIG) as finder:
        for inputs, targets in finder.batches(BATCHES):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            before()
            optimizer.step()
            after()
            finder.step(loss)
            late()
    return finder


def undisturbed() -> LRFinder:
    model = a_model()
    return find(model, sgd(model))


def state_of(scheduler: Any) -> Any:
    inner = [state_of(one) for one in getattr(scheduler, "_schedulers", [])]
    left_out = ("optimizer", "_schedulers")
    return inner, copy.deepcopy({name: one for name, one in vars(scheduler).items() if name not in left_out})


SCHEDULERS: dict[str, Callable[[Any], LRScheduler]] = {
    "step": lambda optimizer: StepLR(optimizer, 1, gamma=0.1),
    "one cycle": lambda optimizer: OneCycleLR(optimizer, 5e-5, total_steps=1000),
    "cyclic": lambda optimizer: CyclicLR(optimizer, 1e-5, 5e-5, step_size_up=5),
    "warm restarts": lambda optimizer: CosineAnnealingWarmRestarts(optimizer, 3),
    "sequence": lambda optimizer: SequentialLR(
        optimizer, [StepLR(optimizer, 1), StepLR(optimizer, 2)], milestones=[3]
    ),
}


@pytest.mark.parametrize("when", ["before", "after", "late"])
@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step:UserWarning")
def test_a_scheduler_in_the_loop_bends_nothing_and_stands_where_it_stood(name: str, when: str) -> None:
    model = a_model()
    optimizer = sgd(model)
    scheduler = SCHEDULERS[name](optimizer)
    scheduler_before, group_before = state_of(scheduler), dict(optimizer.param_groups[0])

    finder = find(model, optimizer, **{when: scheduler.step})

    assert [sweep.points for sweep in finder.sweeps] == [sweep.points for sweep in undisturbed().sweeps]
    assert any("a scheduler perhaps" in warning for warning in finder.bounds().warnings)
    assert state_of(scheduler) == scheduler_before
    assert dict(optimizer.param_groups[0]) == group_before


def test_a_plateau_scheduler_stands_where_it_stood() -> None:
    model = a_model()
    optimizer = sgd(model)
    scheduler = ReduceLROnPlateau(optimizer, patience=0)
    before = state_of(scheduler)

    find(model, optimizer, after=lambda: scheduler.step(1.0))

    assert state_of(scheduler) == before


def test_a_followed_scheduler_goes_on_as_if_there_had_been_no_test() -> None:
    model = a_model()
    optimizer = sgd(model)
    spec = {"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1, "step_size": 100}
    scheduler = Scheduler(optimizer, parse_schedule(spec), momentum=(0.8, 0.9))
    scheduler.follow()
    for _ in range(3):
        optimizer.step()

    finder = find(model, optimizer)
    optimizer.step()

    assert [sweep.points for sweep in finder.sweeps] == [sweep.points for sweep in undisturbed().sweeps]
    assert scheduler.state_dict()["step"] == 4
    assert optimizer.param_groups[0]["lr"] == parse_schedule(spec)(4)


class Noam:
    """A warm-up that keeps its count where no finder looks."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer, self.count = optimizer, 0

    def step(self) -> None:
        self.count += 1
        for group in self.optimizer.param_groups:
            group["lr"] = 1e-5 * self.count


def test_a_scheduler_of_another_kind_bends_nothing_and_is_put_back_where_handed_over() -> None:
    model = a_model()
    optimizer = sgd(model)
    warm_up = Noam(optimizer)

    with LRFinder(model, optimizer, config=CONFIG, also=[warm_up]) as finder:
        for inputs, targets in finder.batches(BATCHES):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            warm_up.step()
            optimizer.step()
            finder.step(loss)

    assert [sweep.points for sweep in finder.sweeps] == [sweep.points for sweep in undisturbed().sweeps]
    assert warm_up.count == 0


def test_a_loop_that_sets_no_rate_is_not_warned() -> None:
    assert not any("scheduler" in warning for warning in undisturbed().bounds().warnings)


class Wrapped(torch.optim.Optimizer):
    """F9's kind: another optimizer inside, which does the steps."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {"lr": 0.1})
        self.inner = torch.optim.SGD(self.param_groups, momentum=0.9)
        self.param_groups = self.inner.param_groups

    def step(self, closure: Any = None) -> Any:
        return self.inner.step(closure)


class Plain:
    """No optimizer of torch's, but one inside, in a list, with groups of its own."""

    def __init__(self, parameters: Any) -> None:
        parameters = list(parameters)
        self.all = [torch.optim.SGD(parameters, lr=0.1, momentum=0.9)]
        self.param_groups: list[dict[str, Any]] = [{"params": parameters, "lr": 0.1}]

    def zero_grad(self) -> None:
        self.all[0].zero_grad()

    def step(self) -> None:
        self.all[0].step()


@pytest.mark.parametrize("kind", [Wrapped, Plain])
def test_the_optimizer_inside_a_wrapper_sweeps_and_is_restored_too(kind: Any) -> None:
    model = a_model()
    optimizer = kind(model.parameters())

    finder = find(model, optimizer)

    assert [sweep.points for sweep in finder.sweeps] == [sweep.points for sweep in undisturbed().sweeps]
    assert not (optimizer.inner if kind is Wrapped else optimizer.all[0]).state


def test_momentum_inside_a_wrapper_is_as_it_was() -> None:
    model = a_model()
    optimizer = Wrapped(model.parameters())
    for inputs, targets in BATCHES:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
    before = [state["momentum_buffer"].clone() for state in optimizer.inner.state.values()]

    find(model, optimizer)

    after = [state["momentum_buffer"] for state in optimizer.inner.state.values()]
    assert all(map(torch.equal, after, before))


class Bare:
    """Steps by itself: nobody can look at it before an update."""

    def __init__(self, parameters: Any) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(parameters), "lr": 0.1}]

    def zero_grad(self) -> None:
        for one in self.param_groups[0]["params"]:
            one.grad = None

    @torch.no_grad()
    def step(self) -> None:
        for one in self.param_groups[0]["params"]:
            one -= self.param_groups[0]["lr"] * one.grad


def test_an_optimizer_without_hooks_is_swept() -> None:
    model, other = a_model(), a_model()

    finder = find(model, Bare(model.parameters()))

    plain = find(other, sgd(other, momentum=0))
    losses = [[point.loss for point in sweep.points] for sweep in finder.sweeps]
    assert losses == [pytest.approx([point.loss for point in sweep.points]) for sweep in plain.sweeps]


def test_a_rate_moved_where_nobody_can_look_is_refused() -> None:
    model = a_model()
    optimizer = Bare(model.parameters())

    with pytest.raises(RuntimeError, match="leave the scheduler out"):
        find(model, optimizer, before=lambda: optimizer.param_groups[0].update(lr=5e-5))

    assert optimizer.param_groups[0]["lr"] == 0.1


def test_a_group_added_meanwhile_is_refused_and_gone() -> None:
    model = a_model()
    optimizer = sgd(model)

    with pytest.raises(ValueError, match="param groups changed during the test"):
        find(
            model,
            optimizer,
            after=lambda: optimizer.add_param_group({"params": [nn.Parameter(torch.ones(1))]}),
        )

    assert len(optimizer.param_groups) == 1
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert not optimizer._optimizer_step_pre_hooks


@pytest.mark.parametrize(
    ("second", "warned"),
    [({"lr": 0.1}, True), ({}, False), ({"lr": 0.1, "lr_scale": 100.0}, False), ({"lr_scale": 3.0}, False)],
)
def test_groups_with_rates_of_their_own_are_warned_of(second: dict[str, float], warned: bool) -> None:
    model = a_model()
    groups = [{"params": [model.weight]}, {"params": [model.bias]} | second]

    found = find(model, torch.optim.SGD(groups, lr=1e-3)).bounds()

    assert ("give them lr_scale" in " ".join(found.warnings)) == warned


def test_an_optimizer_that_chooses_its_own_rate_is_refused() -> None:
    model = a_model()
    optimizer = sgd(model)
    optimizer.param_groups[0]["lr"] = None

    with pytest.raises(ValueError, match="sets its own rate"):
        LRFinder(model, optimizer).__enter__()


def test_an_optimizer_that_is_never_stepped_is_told() -> None:
    model = a_model()
    steps, swept = sgd(model), sgd(model)

    with LRFinder(model, swept, config=CONFIG) as finder:
        for inputs, targets in finder.batches(BATCHES):
            steps.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            steps.step()
            finder.step(loss)

    assert any("never stepped" in warning for warning in finder.bounds().warnings)


def test_released_it_looks_no_more() -> None:
    optimizer = sgd(a_model())
    rates = Rates(optimizer)
    rates.set(0.5)

    rates.release()
    optimizer.param_groups[0]["lr"] = 0.2
    optimizer.step()

    assert optimizer.param_groups[0]["lr"] == 0.2


@pytest.mark.parametrize("of_its_own", [{"d": 1e-6, "k": 0}, {"reps_rel": 1e-6}])
def test_an_optimizer_that_finds_its_rate_is_refused_with_what_to_do(of_its_own: dict[str, float]) -> None:
    optimizer = torch.optim.SGD([{"params": [torch.nn.Parameter(torch.ones(1))], **of_its_own}], lr=1.0)

    with pytest.raises(ValueError, match=r"there is nothing to test\. Leave lr at 1 and compare schedules"):
        Rates(optimizer)
