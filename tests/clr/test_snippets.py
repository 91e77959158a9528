"""What is pasted runs, and trains at the rates that the schedule has."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import clr_tuner as ct
from clr.optimizers import NAMES, parse_optimizer
from clr.policies import parse_schedule
from clr.snippets import say_optimizer, write_snippet
from clr.training.optimizers import make_optimizer

RATES = {"base_lr": 0.01, "max_lr": 0.08}
STEPS = 24
SCHEDULES: list[dict[str, Any]] = [
    {"policy": "triangular", **RATES, "step_size": 4},
    {"policy": "triangular", **RATES, "step_size": 4, "step_size_down": 2},
    {"policy": "triangular2", **RATES, "step_size": 4},
    {"policy": "exp_range", **RATES, "step_size": 4, "gamma": 0.98},
    {"policy": "exp_range_paper", **RATES, "step_size": 4, "gamma": 0.98},
    {"policy": "welch", **RATES, "step_size": 4},
    {"policy": "hann", **RATES, "step_size": 4},
    {"policy": "decay", **RATES, "step_size": 4},
    {"policy": "one_cycle", **RATES, "num_steps": STEPS},
    {"policy": "one_cycle", **RATES, "num_steps": STEPS, "three_phase": False, "anneal": "cos"},
    {"policy": "one_cycle", **RATES, "num_steps": STEPS, "final_lr": 0.0},
    {"policy": "one_cycle", "max_lr": 0.08, "num_steps": STEPS, "preset": "torch"},
    {"policy": "sgdr", **RATES, "t_0": 6, "t_mult": 2},
    {"policy": "fixed", "lr": 0.03},
    {"policy": "step_decay", "lr": 0.1, "drop_every": 5},
    {"policy": "multistep_decay", "lr": 0.1, "milestones": [6, 13]},
    {"policy": "exponential_decay", "lr": 0.1, "gamma": 0.97},
    {"policy": "time_decay", "lr": 0.1, "rate": 0.01},
]


def rates_of(code: str, optimizer: torch.optim.Optimizer, model: nn.Module) -> list[float]:
    """The rate of each step that the pasted code takes."""
    rates: list[float] = []
    optimizer.register_step_pre_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
    data = TensorDataset(torch.randn(20, 2), torch.randn(20, 1))
    names = {"train_loader": DataLoader(data, batch_size=4), "criterion": nn.MSELoss()}
    exec(code, {"model": model, "optimizer": optimizer, **names})
    return rates


@pytest.mark.parametrize("spec", SCHEDULES, ids=lambda spec: f"{spec['policy']}-{len(spec)}")
def test_the_pasted_code_trains_at_the_rates_of_the_schedule(spec: dict[str, Any]) -> None:
    schedule, model = parse_schedule(spec), nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters())  # without momentum to cycle

    rates = rates_of(write_snippet(schedule, STEPS), optimizer, model)

    torch.testing.assert_close(rates, [schedule(step) for step in range(STEPS)], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("policy", ["triangular", "one_cycle"])
def test_it_trains_with_every_optimizer(name: str, policy: str) -> None:
    length = {"step_size": 4} if policy == "triangular" else {"num_steps": STEPS}
    schedule, model = parse_schedule({"policy": policy, **RATES, **length}), nn.Linear(2, 1)
    optimizer = make_optimizer(parse_optimizer({"name": name}), model)

    rates = rates_of(write_snippet(schedule, STEPS), optimizer, model)

    torch.testing.assert_close(rates, [schedule(step) for step in range(STEPS)], rtol=1e-9, atol=1e-15)


def test_the_optimizer_that_torch_lacks_is_told_as_code() -> None:
    spec = parse_optimizer({"name": "Muon"}).model_dump(mode="json")
    names: dict[str, Any] = {"ct": ct, "model": nn.Linear(2, 1)}

    exec(say_optimizer(spec, "torch").splitlines()[1].removeprefix("# "), names)

    assert [group["weight_decay"] for group in names["optimizer"].param_groups] == [0.1, 0.1]
    assert say_optimizer({"name": "Adam"}, "torch") == say_optimizer(spec, "keras") == ""


def test_one_cycle_is_torchs_own_scheduler() -> None:
    code = write_snippet(parse_schedule({"policy": "one_cycle", **RATES, "num_steps": 100}), 100)

    assert "OneCycleLR(" in code
    assert "total_steps=100," in code


def test_keras_code_compiles_and_tells_the_budget() -> None:
    code = write_snippet(
        parse_schedule({"policy": "one_cycle", **RATES, "num_steps": 100}), 100, framework="keras"
    )

    compile(code, "snippet", "exec")
    assert "-(-100 * accumulated // len(train_data))" in code


def test_a_framework_that_is_not_known_is_told_which_are() -> None:
    schedule = parse_schedule({"policy": "fixed", "lr": 0.1})

    with pytest.raises(ValueError, match="one of torch, keras, lightning, transformers, not 'jax'"):
        write_snippet(schedule, 10, framework="jax")  # type: ignore[arg-type]
