"""The one call: bounds of a model that the caller holds, whatever its batches and its loop look like."""

import copy
import math
import re
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from sklearn.datasets import load_diabetes
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, TensorDataset

from clr.bounds import Bounds, Inconclusive
from clr.policies import parse_schedule
from clr.range_test import RangeTestConfig
from clr.scheduler import Scheduler
from clr.training.lr_finder import LRFinder
from clr.training.model_bounds import find_bounds
from clr.training.seeding import seeded
from tests.clr.training.loop_kit import Begun

QUICK: dict[str, Any] = {"effort": "quick", "num_steps": 100}
CRITERION = nn.CrossEntropyLoss()


class Task:
    """Three classes of points; a small network, fresh for each test."""

    def __init__(self) -> None:
        with seeded(0):
            inputs = torch.randn(600, 8)
            targets = (inputs @ torch.randn(8, 3)).argmax(1)
            self.model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
        self.train, self.held_out = TensorDataset(inputs[:500], targets[:500]), (inputs[500:], targets[500:])
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.loader = DataLoader(self.train, batch_size=20, shuffle=True)

    def find(self, **options: Any) -> Bounds | Inconclusive:
        given = {"criterion": CRITERION, "loader": self.loader} | QUICK | options
        return find_bounds(self.model, self.optimizer, **given)


@pytest.fixture
def task() -> Task:
    return Task()


def measured(found: Bounds | Inconclusive) -> list[tuple[float, float]]:
    """What was swept, as (rate, loss)."""
    assert isinstance(found, Bounds)
    return [(point.lr, point.loss) for sweep in found.sweeps for point in sweep.points]


def by_hand(task: Task, accumulation_steps: int = 1, clip: float | None = None) -> list[tuple[float, float]]:
    """The same test with a loop of one's own."""
    config, losses = RangeTestConfig(num_seeds=1, **QUICK), []
    with LRFinder(task.model, task.optimizer, config=config) as finder:
        for inputs, targets in finder.batches(task.loader):
            if not losses:
                task.optimizer.zero_grad()
            loss = CRITERION(task.model(inputs), targets) / accumulation_steps
            loss.backward()
            losses.append(loss.detach())
            if len(losses) == accumulation_steps:
                if clip is not None:
                    nn.utils.clip_grad_norm_(task.model.parameters(), clip)
                task.optimizer.step()
                finder.step(sum(losses[1:], losses[0]))
                losses.clear()
    return [(point.lr, point.loss) for sweep in finder.sweeps for point in sweep.points]


def test_it_is_the_loop_that_one_would_write(task: Task) -> None:
    assert measured(task.find()) == by_hand(task)


def test_accumulation_and_clipping_are_those_of_a_loop(task: Task) -> None:
    found = measured(task.find(accumulation_steps=2, clip_grad_norm=0.1))

    assert found == [(lr, pytest.approx(loss)) for lr, loss in by_hand(task, accumulation_steps=2, clip=0.1)]


def test_the_model_is_as_it_was(task: Task) -> None:
    before = [parameter.clone() for parameter in task.model.parameters()]

    task.find(held_out=task.held_out)

    assert all(map(torch.equal, before, task.model.parameters()))
    assert task.optimizer.state_dict()["state"] == {}
    assert task.optimizer.param_groups[0]["lr"] == 0.1


def test_a_held_out_set_may_be_a_pair_a_data_set_a_loader_or_a_callable(task: Task) -> None:
    inputs, targets = task.held_out
    data = TensorDataset(inputs, targets)

    def evaluate() -> tuple[float, float]:
        outputs = task.model(inputs)
        return CRITERION(outputs, targets).item(), (outputs.argmax(1) == targets).float().mean().item()

    looks = []
    for held_out in (task.held_out, data, DataLoader(data, batch_size=30), evaluate):
        found = task.find(held_out=held_out)
        assert isinstance(found, Bounds)
        looks.append([(look.loss, look.accuracy) for look in found.sweeps[0].held_out])

    assert len(looks[0]) > 20
    for others in looks[1:]:
        for (loss, accuracy), (other_loss, other_accuracy) in zip(looks[0], others, strict=True):
            assert (loss, accuracy) == pytest.approx((other_loss, other_accuracy), rel=1e-5)


def test_a_regression_has_no_accuracy(task: Task) -> None:
    inputs, targets = task.train.tensors
    data = TensorDataset(inputs, nn.functional.one_hot(targets, 3).float())

    found = task.find(
        criterion=nn.MSELoss(), loader=DataLoader(data, batch_size=20), held_out=data, num_steps=50
    )

    assert isinstance(found, Bounds)
    assert {look.accuracy for look in found.sweeps[0].held_out} == {None}


class OwnLoss(nn.Module):
    """Answers its loss itself, as the models of transformers do."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs: Tensor, labels: Tensor) -> Any:
        logits = self.inner(inputs)
        return SimpleNamespace(loss=CRITERION(logits, labels), logits=logits)


def dicts(loader: DataLoader[Any]) -> list[dict[str, Tensor]]:
    return [{"inputs": inputs, "labels": targets} for inputs, targets in loader]


@pytest.mark.parametrize("as_dicts", [True, False])
def test_a_model_may_answer_its_own_loss(task: Task, as_dicts: bool) -> None:
    model = OwnLoss(task.model)
    loader = dicts(task.loader) if as_dicts else task.loader

    found = find_bounds(model, task.optimizer, None, loader, held_out=loader, **QUICK)

    assert isinstance(found, Bounds)
    assert found.sweeps[0].held_out


def test_any_other_loop_is_one_function(task: Task) -> None:
    def step(batch: dict[str, Tensor]) -> Tensor:
        loss: Tensor = CRITERION(task.model(batch["inputs"]), batch["labels"])
        return loss

    found = task.find(criterion=None, training_step=step, loader=dicts(task.loader))

    assert isinstance(found, Bounds)


def test_a_scaler_is_used_and_left_as_it_was(task: Task) -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=10)

    found = task.find(scaler=scaler, clip_grad_norm=1.0)

    assert isinstance(found, Bounds)
    assert scaler.get_scale() == 1024.0


def test_groups_keep_the_ratio_of_their_rates(task: Task) -> None:
    first, last = task.model[0], task.model[2]
    groups = [{"params": first.parameters(), "lr": 0.1}, {"params": last.parameters(), "lr": 0.01}]
    task.optimizer = torch.optim.SGD(groups, momentum=0.9)
    ratios = set()
    task.optimizer.register_step_pre_hook(lambda optimizer, *_: ratios.add(ratio_of(optimizer)))

    found = task.find()

    assert isinstance(found, Bounds)
    assert ratios == {0.1}
    assert not any("differ" in warning for warning in found.warnings)
    assert [group["lr"] for group in task.optimizer.param_groups] == [0.1, 0.01]
    assert not any("lr_scale" in group for group in task.optimizer.param_groups)


def test_a_scheduler_that_warms_up_from_nothing_does_not_hold_the_sweep_at_nothing(task: Task) -> None:
    LambdaLR(task.optimizer, lambda step: step / 10)

    rates = []
    task.optimizer.register_step_pre_hook(lambda *_: rates.append(task.optimizer.param_groups[0]["lr"]))
    found = task.find()

    assert rates == [lr for lr, _ in measured(found)]
    assert task.optimizer.param_groups[0]["lr"] == 0


def ratio_of(optimizer: torch.optim.Optimizer) -> float:
    first, last = optimizer.param_groups
    return round(float(last["lr"] / first["lr"]), 6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"loader": [(1, 2, 3)]}, "a batch must be .inputs, targets., got tuple: give training_step="),
        ({"loader": [{"inputs": 1}]}, "got dict"),
        ({"criterion": None}, "the model answers no loss of its own but Tensor: give a criterion"),
        ({"accumulation_steps": 0}, "accumulation_steps must be a whole number >= 1"),
        ({"accumulation_steps": 2.5}, "accumulation_steps must be a whole number"),
        ({"clip_grad_norm": 0.0}, "clip_grad_norm must be > 0"),
        ({"effort": "thorough"}, "use standard"),
        ({"loader": []}, "batches are empty"),
        ({"loader": None}, "there is no loader"),
        ({"loader": TensorDataset(torch.ones(3, 8))}, "a data set, which has no batches"),
        ({"loader": iter([])}, "not an iterator"),
        ({"held_out": iter([])}, "held_out is read again and again"),
        ({"held_out": []}, "held_out has no examples"),
        ({"criterion": "cross_entropy"}, "criterion must be callable"),
        ({"training_step": lambda batch: 1.0}, "the loss must be a single number with its graph.*got float"),
        ({"training_step": lambda batch: torch.ones(2)}, "got a tensor of shape .2,."),
    ],
)
def test_what_cannot_be_tested_is_told(task: Task, options: dict[str, Any], said: str) -> None:
    if options.get("criterion", CRITERION) is None:
        options = options | {"loader": [(inputs,) for inputs, _ in task.loader]}

    with pytest.raises(ValueError, match=said):
        task.find(**options)


def test_an_optimizer_that_steps_with_a_closure_is_told_what_to_do(task: Task) -> None:
    task.optimizer = torch.optim.LBFGS(task.model.parameters())  # type: ignore[assignment]

    with pytest.raises(ValueError, match="write the loop around"):
        task.find()


def test_a_swapped_model_is_told(task: Task) -> None:
    with pytest.raises(ValueError, match="the model comes first"):
        find_bounds(task.optimizer, task.model, CRITERION, task.loader)  # type: ignore[arg-type]


def test_a_bar_tells_how_far_it_is(task: Task, capsys: pytest.CaptureFixture[str]) -> None:
    task.find(progress=True)
    shown = capsys.readouterr().err
    task.find()

    assert "range test" in shown
    assert capsys.readouterr().err == ""


def test_what_it_will_cost_is_said_beforehand(task: Task, capsys: pytest.CaptureFixture[str]) -> None:
    task.find(progress=True)

    shown = capsys.readouterr().err
    assert re.search(r"about [\d,]+ steps(, at most [\d,]+)?; [\d.]+ \w+ kept to restore from", shown)
    assert re.search(r"about \d+ s to go, at [\d.]+ ms a step", shown)


def test_a_snapshot_on_a_device_of_its_own_restores_every_bit(task: Task) -> None:
    before = [parameter.detach().clone() for parameter in task.model.parameters()]

    task.find(snapshot_device="cpu")

    for kept, parameter in zip(before, task.model.parameters(), strict=True):
        assert torch.equal(kept, parameter)


class FewPatients(Task):
    """Fifty of scikit-learn's diabetes patients, whose disease a network with Adam soon knows by heart."""

    def __init__(self) -> None:
        inputs, targets = (
            torch.tensor(part, dtype=torch.float32) for part in load_diabetes(return_X_y=True, scaled=False)
        )
        inputs = (inputs - inputs[:50].mean(0)) / inputs[:50].std(0)
        targets = ((targets - targets[:50].mean()) / targets[:50].std())[:, None]
        with seeded(0):
            self.model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
        self.train, self.held_out = TensorDataset(inputs[:50], targets[:50]), (inputs[50:], targets[50:])
        self.optimizer = torch.optim.Adam(self.model.parameters())
        self.loader = DataLoader(self.train, batch_size=10, shuffle=True)

    def held_out_loss_after(self, max_lr: float, num_epochs: int) -> float:
        """Of one cycle over the epochs."""
        model = copy.deepcopy(self.model)
        optimizer = torch.optim.Adam(model.parameters())
        steps = num_epochs * len(self.loader)
        schedule = parse_schedule(
            {"policy": "one_cycle", "base_lr": max_lr / 4, "max_lr": max_lr, "num_steps": steps}
        )
        scheduler = Scheduler(optimizer, schedule)
        with seeded(1):
            for _ in range(num_epochs):
                for inputs, targets in self.loader:
                    optimizer.zero_grad()
                    nn.functional.mse_loss(model(inputs), targets).backward()
                    optimizer.step()
                    scheduler.step()
        inputs, targets = self.held_out
        return nn.functional.mse_loss(model(inputs), targets).item()


def test_the_rates_for_a_long_training_keep_it_from_overfitting() -> None:
    task = FewPatients()

    bounds = task.find(
        criterion=nn.MSELoss(),
        held_out=task.held_out,
        effort="standard",
        num_steps=None,
        schedule="one_cycle",
        num_epochs=100,
    )

    assert isinstance(bounds, Bounds)
    assert bounds.for_budget is not None
    assert bounds.for_budget["basis"] == "turn"
    lowered, as_found = (
        task.held_out_loss_after(lr, 100) for lr in (bounds.for_budget["max_lr"], bounds.max_lr)
    )
    assert lowered < 0.8 * as_found


THOROUGH: dict[str, Any] = {"effort": "thorough", "num_seeds": 1, "schedule": "one_cycle", "num_epochs": 4}


def test_a_thorough_test_trains_what_is_told_and_moves_its_rates(task: Task) -> None:
    standard = task.find(**THOROUGH | {"effort": "standard"}, held_out=task.held_out)
    found = task.find(**THOROUGH, held_out=task.held_out)

    assert isinstance(standard, Bounds)
    assert isinstance(found, Bounds)
    assert found.confirmation is not None
    assert (found.confirmation.policy, found.confirmation.num_steps) == ("one_cycle", 100)
    assert (found.base_lr, found.max_lr) == (standard.base_lr, standard.max_lr)
    before, after = standard.for_budget or {}, found.for_budget or {}
    assert after["max_lr"] == found.confirmation.factor * before["max_lr"]
    assert after["basis"] == "training"


def test_its_trainings_are_those_of_a_loop_of_ones_own(task: Task) -> None:
    found = task.find(**THOROUGH, held_out=task.held_out)

    assert isinstance(found, Bounds)
    assert found.confirmation is not None
    ours = next(tried for tried in found.confirmation.tried if tried.label == "max_lr")
    schedule, batches = parse_schedule(ours.schedule), []
    with LRFinder(task.model, task.optimizer, config=RangeTestConfig(seed=1, **QUICK)) as finder:
        for inputs, targets in finder.batches(task.loader):  # those of the same seed
            batches.append((inputs, targets))
            finder.step(1.0)
    with seeded(1):
        for step, (inputs, targets) in enumerate(batches):
            task.optimizer.param_groups[0]["lr"] = schedule(step)
            task.optimizer.zero_grad()
            CRITERION(task.model(inputs), targets).backward()
            task.optimizer.step()
    inputs, targets = task.held_out
    assert ours.finals == (pytest.approx((task.model(inputs).argmax(1) == targets).float().mean().item()),)


def test_without_a_training_the_bounds_are_confirmed_or_moved(task: Task) -> None:
    found = task.find(effort="thorough", num_seeds=1, held_out=task.held_out)

    assert isinstance(found, Bounds)
    assert found.confirmation is not None
    assert (found.confirmation.policy, found.confirmation.num_steps) == (None, 320)
    assert found.confirmation.outcome in ("confirmed", "adjusted")


def test_after_a_thorough_test_everything_is_as_it_was(task: Task) -> None:
    before = copy.deepcopy(task.model.state_dict())

    task.find(**THOROUGH, held_out=task.held_out)

    assert all(torch.equal(before[name], value) for name, value in task.model.state_dict().items())
    assert task.optimizer.state_dict()["state"] == {}
    assert task.optimizer.param_groups[0]["lr"] == 0.1


def test_a_loop_that_is_left_before_its_trainings_ended_says_so(task: Task) -> None:
    config = RangeTestConfig(effort="thorough", num_seeds=1, num_steps=100)
    with LRFinder(task.model, task.optimizer, judge=lambda: evaluated(task), config=config) as finder:
        for inputs, targets in finder.batches(task.loader):
            if finder.current.plan.phase == "confirm" and len(finder.current.points) == 10:
                break
            task.optimizer.zero_grad()
            loss = CRITERION(task.model(inputs), targets)
            loss.backward()
            task.optimizer.step()
            finder.step(loss)

    bounds = finder.bounds()

    assert isinstance(bounds, Bounds)
    assert bounds.confirmation is None
    assert "the loop ended before its trainings did" in bounds.warnings[-1]


def test_a_training_whose_loss_rises_for_a_while_goes_on_to_its_end(task: Task) -> None:
    config = RangeTestConfig(effort="thorough", num_seeds=1, num_steps=100)
    with LRFinder(task.model, task.optimizer, judge=lambda: (0.5, 0.9), config=config) as finder:
        for inputs, targets in finder.batches(task.loader):
            task.optimizer.zero_grad()
            loss = CRITERION(task.model(inputs), targets)
            loss.backward()
            task.optimizer.step()
            trains = finder.current.plan.phase == "confirm"
            finder.step(5.0 if trains and 20 < len(finder.current.points) < 200 else loss)

    bounds = finder.bounds()

    assert isinstance(bounds, Bounds)
    assert bounds.confirmation is not None
    assert bounds.confirmation.outcome == "confirmed"
    assert bounds.confirmation.steps == 3 * 320


def evaluated(task: Task) -> tuple[float, float]:
    inputs, targets = task.held_out
    outputs = task.model(inputs)
    return CRITERION(outputs, targets).item(), (outputs.argmax(1) == targets).float().mean().item()


def test_a_test_that_was_left_in_its_probe_goes_on_there() -> None:
    task = FewPatients()
    asked = {"criterion": nn.MSELoss(), "held_out": task.held_out, "num_steps": 40}
    asked |= {"schedule": "one_cycle", "num_epochs": 100}
    whole = task.find(**asked)

    again = task.find(**asked, report_to=Begun(whole.sweeps[:1], steps_per_epoch=5))

    assert [sweep.plan.phase for sweep in again.sweeps] == ["scout", "probe"]
    assert again.to_dict() == whole.to_dict()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"schedule": "one_cycle"}, "needs num_epochs"),
        ({"num_epochs": 0}, "num_epochs must be > 0"),
        ({"num_epochs": "3"}, "num_epochs must be > 0"),
        ({"num_epochs": math.inf}, "num_epochs must be > 0"),
        ({"num_epochs": 1e11}, "num_epochs must be at most"),
        ({"schedule": "one_cycle", "num_epochs": 0.01}, "num_steps"),
        ({"schedule": "zigzag", "num_epochs": 3}, "policy"),
    ],
)
def test_a_training_that_cannot_be_is_refused_before_anything_is_trained(
    task: Task, asked: dict[str, Any], says: str
) -> None:
    before = copy.deepcopy(task.model.state_dict())

    with pytest.raises(ValueError, match=says):
        task.find(**asked)

    assert all(torch.equal(value, before[name]) for name, value in task.model.state_dict().items())


@pytest.mark.parametrize("kind", ["pair", "data set", "loader"])
def test_a_large_held_out_set_is_sampled(task: Task, kind: str) -> None:
    many = TensorDataset(*(torch.cat([part] * 60) for part in task.held_out))
    held_out = {"pair": many.tensors, "data set": many, "loader": DataLoader(many, batch_size=500)}[kind]
    looked_at: list[int] = []
    watch = task.model.register_forward_hook(
        lambda model, inputs, _: None if model.training else looked_at.append(len(inputs[0]))
    )

    task.find(held_out=held_out, effort="quick")
    watch.remove()

    assert looked_at
    assert max(looked_at) < len(many) / 2


def test_a_training_that_cannot_be_is_refused_by_the_finder_before_anything_is_trained(task: Task) -> None:
    tellings: list[dict[str, Any]] = [
        {"schedule": "foo", "num_epochs": 3},
        {"num_epochs": -1},
        {"schedule": "one_cycle"},
    ]
    for told in tellings:
        with LRFinder(task.model, task.optimizer, **told) as finder:
            with pytest.raises(ValueError, match=r"policy|num_epochs"):
                next(iter(finder.batches(task.loader)))
            assert not finder.sweeps


def test_a_pair_whose_tensors_differ_in_length_is_looked_at_whole(task: Task) -> None:
    inputs, targets = (torch.cat([part] * 20) for part in task.held_out)
    seen: list[int] = []

    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = task.model

        def forward(self, batch: Tensor, shift: Tensor | None = None) -> Tensor:
            if not self.training:
                seen.append(len(batch))
            answer: Tensor = self.inner(batch)
            return answer

    model = Shifted()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    held_out = ((inputs, torch.zeros(3, 8)), targets)
    find_bounds(model, optimizer, CRITERION, task.loader, held_out=held_out, **QUICK)

    assert set(seen) == {len(inputs)}
