"""Optimizers by name: torch's own words, defaults and limits."""

import inspect

import pytest
import torch
from pydantic import ValidationError

from clr.optimizers import NAMES, parse_optimizer


@pytest.mark.parametrize("name", NAMES)
def test_the_parameters_and_defaults_are_torchs(name: str) -> None:
    theirs = inspect.signature(getattr(torch.optim, name)).parameters

    ours = parse_optimizer({"name": name}).model_dump(exclude={"name"})

    differs = {"adjust_lr_fn": "match_rms_adamw"} if name == "Muon" else {}
    assert {parameter: theirs[parameter].default for parameter in ours} | differs == ours


@pytest.mark.parametrize("name", NAMES)
def test_a_spec_comes_back_from_json_as_it_was(name: str) -> None:
    spec = parse_optimizer({"name": name})

    assert parse_optimizer(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize("name", ["sgd", "SGD", "Sgd", "adamw", "rmsPROP", "nadam", "asgd"])
def test_a_name_is_accepted_in_any_case_and_spelled_as_torch_does(name: str) -> None:
    assert parse_optimizer({"name": name}).name in NAMES


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "Lion"},
        {},
        {"name": "SGD", "lr": 0.1},
        {"name": "SGD", "momentum": float("nan")},
        {"name": "SGD", "momentum": -0.1},
        {"name": "SGD", "momentum": 1.0},
        {"name": "SGD", "nesterov": True},
        {"name": "SGD", "nesterov": True, "momentum": 0.9, "dampening": 0.1},
        {"name": "Adam", "betas": [0.9, 1.0]},
        {"name": "Adam", "betas": [0.9]},
        {"name": "Adadelta", "rho": 1.1},
        {"name": "NAdam", "momentum_decay": -0.1},
        {"name": "Adafactor", "beta2_decay": 0.1},
        {"name": "Adafactor", "d": 0.9},
        {"name": "Adafactor", "eps": [0.1]},
        {"name": "Muon", "adjust_lr_fn": "none"},
        {"name": "Muon", "ns_steps": 100},
    ],
)
def test_what_torch_would_refuse_is_refused_here(spec: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        parse_optimizer(spec)


@pytest.mark.parametrize(
    ("name", "parameter"),
    [("RMSprop", "weight_decay"), ("Adagrad", "initial_accumulator_value"), ("RMSprop", "alpha")],
)
def test_a_value_that_no_float32_holds_is_refused(name: str, parameter: str) -> None:
    with pytest.raises(ValidationError):
        parse_optimizer({"name": name, parameter: 1e300})
