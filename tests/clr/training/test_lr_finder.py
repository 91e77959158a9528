"""A range test in one's own loop: it finds what the service finds, and leaves no trace."""

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from clr.bounds import Bounds
from clr.range_test import RangeTestConfig
from clr.sweep import Divergence
from clr.training.lr_finder import LRFinder

ROOT = Path(__file__).parents[3]
INPUTS = torch.randn(256, 4, generator=torch.Generator().manual_seed(1))
TARGETS = (INPUTS.sum(dim=1) > 0).long()
QUICK = RangeTestConfig(effort="quick")
SHORT = RangeTestConfig(start_lr=1e-3, end_lr=1.0, num_steps=20, num_seeds=2)


class Loop:
    """A plain training loop with everything that could be left changed."""

    def __init__(self, *, scaled: bool = False, **loader_options: Any) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 2))
        self.model[1].eval()  # as a fine-tuner freezes its statistics
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.05, momentum=0.9)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=4.0) if scaled else None
        options = {"batch_size": 32, "shuffle": True} | loader_options
        self.loader = DataLoader(TensorDataset(INPUTS, TARGETS), **options)

    def train_on(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.optimizer.zero_grad()
        loss: torch.Tensor = nn.functional.cross_entropy(self.model(inputs), targets)
        if self.scaler is None:
            loss.backward()
            self.optimizer.step()
        else:
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
        return loss.detach()

    def train(self, num_batches: int) -> list[float]:
        losses = []
        while len(losses) < num_batches:
            losses += [float(self.train_on(*batch)) for batch in self.loader]
        return losses

    def evaluate(self) -> tuple[float, float]:
        outputs = self.model(INPUTS)
        assert not self.model.training
        assert not outputs.requires_grad
        loss = nn.functional.cross_entropy(outputs, TARGETS).item()
        return loss, (outputs.argmax(1) == TARGETS).float().mean().item()

    def find(self, config: RangeTestConfig = SHORT, *, looks: bool = True) -> LRFinder:
        evaluate = self.evaluate if looks else None
        with LRFinder(
            self.model, self.optimizer, evaluate=evaluate, scaler=self.scaler, config=config
        ) as finder:
            for batch in finder.batches(self.loader):
                finder.step(self.train_on(*batch))
        return finder

    def traces(self) -> list[Any]:
        """Everything that training depends on."""
        state = self.optimizer.state_dict()["state"]
        return [
            *(parameter.clone() for parameter in self.model.parameters()),
            *(buffer.clone() for buffer in self.model.buffers()),
            *(value["momentum_buffer"].clone() for value in state.values()),
            torch.get_rng_state(),
            torch.tensor([group["lr"] for group in self.optimizer.param_groups]),
            torch.tensor([module.training for module in self.model.modules()]),
            torch.from_numpy(np.random.get_state()[1].astype(np.int64)),
            torch.tensor(random.getstate()[1]),
        ]


def same(first: list[Any], second: list[Any]) -> bool:
    return len(first) == len(second) and all(map(torch.equal, first, second))


@pytest.mark.parametrize("warmed_up", [0, 16], ids=["fresh", "part-trained"])
@pytest.mark.parametrize("scaled", [False, True])
def test_training_goes_on_bit_for_bit_as_if_there_had_been_no_test(warmed_up: int, scaled: bool) -> None:
    undisturbed, tested = Loop(scaled=scaled), Loop(scaled=scaled)
    torch.manual_seed(5)
    undisturbed.train(warmed_up)
    expected = undisturbed.train(16)

    torch.manual_seed(5)
    tested.train(warmed_up)
    tested.find()

    assert tested.train(16) == expected


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_exception_in_the_loop_leaves_everything_as_it_was(error: type[BaseException]) -> None:
    loop = Loop()
    loop.train(8)
    before = loop.traces()

    def interrupted() -> None:
        with LRFinder(loop.model, loop.optimizer, config=QUICK) as finder:
            for batch in finder.batches(loop.loader):
                finder.step(loop.train_on(*batch))
                np.random.rand()
                random.random()
                if len(finder.current.points) == 30:
                    raise error

    with pytest.raises(error):
        interrupted()

    assert same(loop.traces(), before)


def test_gradients_are_as_they_were() -> None:
    loop = Loop()
    loop.train(8)
    before = [parameter.grad.clone() for parameter in loop.model.parameters()]

    loop.find()

    assert same([parameter.grad for parameter in loop.model.parameters()], before)


def test_the_scale_of_a_grad_scaler_is_as_it_was() -> None:
    loop = Loop(scaled=True)
    loop.train(8)
    before = loop.scaler.state_dict()

    loop.find()

    assert loop.scaler.state_dict() == before


def test_the_loaders_own_generator_is_as_it_was() -> None:
    generator = torch.Generator().manual_seed(3)
    loop = Loop(generator=generator)
    before = generator.get_state()

    loop.find()

    assert torch.equal(generator.get_state(), before)


def test_two_tests_one_after_the_other_measure_the_same() -> None:
    """torch-lr-finder's second reset does not restore the optimizer's buffers."""
    loop = Loop()
    loop.train(8)

    first, second = loop.find(), loop.find()

    assert first.sweeps == second.sweeps


def test_every_sweep_starts_from_the_same_weights_at_the_planned_rate() -> None:
    finder = Loop().find(looks=False)

    assert [sweep.plan.seed for sweep in finder.sweeps] == [0, 1]
    for sweep in finder.sweeps:
        assert [point.lr for point in sweep.points] == [sweep.plan.lr(step) for step in range(20)]


def test_a_looks_measurements_are_recorded_and_leave_the_training_alone() -> None:
    seen, unseen = Loop().find(), Loop().find(looks=False)

    assert [sweep.points for sweep in seen.sweeps] == [sweep.points for sweep in unseen.sweeps]
    assert len(seen.sweeps[0].held_out) == 20


def test_a_groups_lr_scale_multiplies_the_swept_rate() -> None:
    loop = Loop()
    loop.optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))], "lr_scale": 3.0})
    used = []

    with LRFinder(loop.model, loop.optimizer, config=QUICK) as finder:
        for batch in finder.batches(loop.loader):
            used.append([group["lr"] for group in loop.optimizer.param_groups])
            finder.step(loop.train_on(*batch))

    assert all(scaled == pytest.approx(3 * plain) for plain, scaled in used)
    assert used[0][0] == 1e-6


def test_accumulated_micro_batches_are_one_step() -> None:
    loop = Loop()
    batches = 0

    with LRFinder(loop.model, loop.optimizer, config=SHORT) as finder:
        for inputs, targets in finder.batches(loop.loader):
            batches += 1
            loss = nn.functional.cross_entropy(loop.model(inputs), targets)
            loss.backward()
            if batches % 4 == 0:
                loop.optimizer.step()
                loop.optimizer.zero_grad()
                finder.step(loss)

    assert batches == 4 * sum(len(sweep.points) for sweep in finder.sweeps)


def test_a_task_that_can_be_learned_gets_bounds() -> None:
    found = Loop().find(RangeTestConfig(num_steps=200)).bounds()

    assert isinstance(found, Bounds), found
    assert found.steps_per_epoch == 8


def test_a_diverged_sweep_ends_early() -> None:
    losses = iter([1.0] * Divergence.WARM_UP + [float("inf")])
    loop = Loop()

    with LRFinder(loop.model, loop.optimizer, config=QUICK) as finder:
        for _ in finder.batches(loop.loader):
            finder.step(next(losses))

    assert len(finder.sweeps[0].points) == Divergence.WARM_UP + 1


def test_a_loop_that_forgets_to_step_is_told() -> None:
    loop = Loop()

    with (
        pytest.raises(RuntimeError, match=r"finder\.step\(loss\)"),
        LRFinder(loop.model, loop.optimizer) as finder,
    ):
        for _ in finder.batches([1]):
            pass


def test_a_loader_without_batches_is_refused() -> None:
    loop = Loop()

    with pytest.raises(ValueError, match="batches are empty"), LRFinder(loop.model, loop.optimizer) as finder:
        next(finder.batches([]))


def test_the_example_finds_bounds_and_trains_with_them() -> None:
    ran = subprocess.run(
        [sys.executable, "examples/own_loop.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stderr
    assert "max_lr" in ran.stdout
    assert float(ran.stdout.rsplit(maxsplit=1)[-1]) > 0.95


def test_seeds_differ_also_where_the_loader_has_a_generator_of_its_own() -> None:
    finder = Loop(generator=torch.Generator().manual_seed(3)).find()

    first, second = finder.sweeps
    assert [point.loss for point in first.points] != [point.loss for point in second.points]


def test_seeds_that_cannot_differ_are_warned_of() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=32)

    with LRFinder(model, optimizer, config=RangeTestConfig(num_steps=100)) as finder:
        for inputs, targets in finder.batches(loader):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            finder.step(loss)

    found = finder.bounds()
    assert isinstance(found, Bounds), found
    assert any("every seed gave the same curve" in warning for warning in found.warnings)


def test_a_samplers_generator_is_as_it_was() -> None:
    generator = torch.Generator().manual_seed(3)
    sampler = RandomSampler(TensorDataset(INPUTS), generator=generator)
    loop = Loop(shuffle=False, sampler=sampler)
    before = generator.get_state()

    loop.find()

    assert torch.equal(generator.get_state(), before)


def test_parameters_outside_the_model_are_as_they_were() -> None:
    loop, scale = Loop(), nn.Parameter(torch.ones(1))
    loop.optimizer.add_param_group({"params": [scale]})

    with LRFinder(loop.model, loop.optimizer, config=SHORT) as finder:
        for inputs, targets in finder.batches(loop.loader):
            loop.optimizer.zero_grad()
            loss = nn.functional.cross_entropy(scale * loop.model(inputs), targets)
            loss.backward()
            loop.optimizer.step()
            finder.step(loss)

    assert torch.equal(scale, torch.ones(1))
    assert scale.grad is None


class Averaging(nn.Module):
    """Rebinds its buffer in each forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("later", None)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.linear(inputs)
        self.mean = 0.9 * self.mean + 0.1 * outputs.detach().mean(0)
        self.later = self.mean
        return outputs


def test_a_buffer_that_the_model_binds_anew_is_as_it_was() -> None:
    loop = Loop()
    loop.model = Averaging()
    loop.optimizer = torch.optim.SGD(loop.model.parameters(), lr=0.1)

    loop.find()

    assert torch.equal(loop.model.mean, torch.zeros(2))
    assert loop.model.later is None


def test_a_scaler_left_between_unscale_and_update_is_usable_again() -> None:
    loop = Loop(scaled=True)
    loop.train(8)

    def interrupted() -> None:
        with LRFinder(loop.model, loop.optimizer, scaler=loop.scaler, config=QUICK) as finder:
            for inputs, targets in finder.batches(loop.loader):
                loop.scaler.scale(nn.functional.cross_entropy(loop.model(inputs), targets)).backward()
                loop.scaler.unscale_(loop.optimizer)
                raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()

    loop.optimizer.zero_grad()
    loop.scaler.scale(nn.functional.cross_entropy(loop.model(INPUTS), TARGETS)).backward()
    loop.scaler.unscale_(loop.optimizer)


def test_a_tensor_rate_stays_the_same_tensor() -> None:
    loop, lr = Loop(), torch.tensor(0.05)
    loop.optimizer = torch.optim.Adam(loop.model.parameters(), lr=lr, fused=True)

    loop.find()

    assert loop.optimizer.param_groups[0]["lr"] is lr
    assert lr.item() == pytest.approx(0.05)


def test_a_state_of_another_dtype_than_its_weight_is_kept() -> None:
    loop = Loop()
    loop.train(8)
    for state in loop.optimizer.state.values():
        state["momentum_buffer"] = state["momentum_buffer"].double()

    with LRFinder(loop.model, loop.optimizer):
        pass

    assert {state["momentum_buffer"].dtype for state in loop.optimizer.state.values()} == {torch.float64}


def test_an_epoch_is_counted_in_optimizer_steps_not_in_micro_batches() -> None:
    loop = Loop()

    with LRFinder(loop.model, loop.optimizer, config=RangeTestConfig(num_steps=100, num_seeds=1)) as finder:
        for count, (inputs, targets) in enumerate(finder.batches(loop.loader), start=1):
            loss = nn.functional.cross_entropy(loop.model(inputs), targets)
            loss.backward()
            if count % 4 == 0:
                loop.optimizer.step()
                loop.optimizer.zero_grad()
                finder.step(loss)

    found = finder.bounds()
    assert isinstance(found, Bounds), found
    assert found.steps_per_epoch == pytest.approx(8 / 4)


def test_a_finder_outside_a_with_block_says_how_to_use_it() -> None:
    loop = Loop()

    with pytest.raises(RuntimeError, match="`with` block"):
        next(LRFinder(loop.model, loop.optimizer).batches(loop.loader))


def test_more_steps_than_the_sweep_has_are_refused() -> None:
    loop = Loop()

    with LRFinder(loop.model, loop.optimizer, config=SHORT) as finder:
        next(finder.batches(loop.loader))
        for _ in range(20):
            finder.step(1.0)
        with pytest.raises(RuntimeError, match="sweep is over"):
            finder.step(1.0)


def test_a_lazy_model_without_shapes_is_refused_with_advice() -> None:
    model = nn.LazyLinear(2)

    with pytest.raises(ValueError, match="run one batch"):
        LRFinder(model, torch.optim.SGD(model.parameters(), lr=0.1)).__enter__()


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_seeds": 0},
        {"effort": "fast"},
        {"num_steps": 3},
        {"start_lr": 1.0, "end_lr": 0.1},
        {"end_lr": 1e-9},
    ],
)
def test_a_config_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        RangeTestConfig(**wrong)


def test_a_confirmation_by_training_is_refused_where_nothing_is_held_out() -> None:
    model = nn.Linear(2, 2)

    with pytest.raises(ValueError, match="use standard"):
        LRFinder(
            model,
            torch.optim.SGD(model.parameters(), lr=0.1),
            config=RangeTestConfig(effort="thorough"),
        )
