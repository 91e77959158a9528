"""A misspelled name is told which one was meant."""

from typing import Any

import pytest
from pydantic import ValidationError

from clr.optimizers import NAMES, parse_optimizer
from clr.policies import parse_schedule
from clr.spelling import closest, did_you_mean


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("triangualr", "triangular"),
        ("TRIANGULAR", "triangular"),
        ("one-cycle", "one_cycle"),
        ("One Cycle", "one_cycle"),
        ("", None),
        ("zzz", None),
    ],
)
def test_the_nearest_name_is_found_whatever_its_case_and_dashes(given: str, meant: str | None) -> None:
    assert closest(given, ["triangular", "triangular2", "one_cycle", "hann"]) == meant


def test_what_is_no_text_is_like_nothing() -> None:
    assert did_you_mean(["SGD"], NAMES) == did_you_mean(None, NAMES) == ""


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"policy": "triangualr"}, "did you mean triangular? must be one of triangular, triangular2"),
        ({"policy": "hann", "stepsize": 3}, "hann has no parameter of this name; did you mean step_size?"),
        ({"policy": "fixed", "max_lr": 3}, "fixed has no parameter of this name; allowed: lr"),
        ({}, "must be one of triangular"),
        (
            {"policy": "staged", "stages": [{"start": 0, "end": 9, "schedule": {"policy": "fixd", "lr": 1}}]},
            "did you mean fixed?",
        ),
    ],
)
def test_a_schedule_is_told_what_was_meant(spec: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        parse_schedule(spec)

    assert told in refused.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    ("name", "parameter", "told"),
    [
        ("Adam", "momentum", "use betas: the first is its momentum"),
        ("AdamW", "momentum", "use betas: the first is its momentum"),
        ("adamw", "beta1", "use betas"),
        ("AdamW", "beta_2", "use betas"),
        ("AdamW", "epsilon", "use eps"),
        ("Adam", "nesterov", "are SGD's"),
        ("SGD", "betas", "use momentum"),
        ("SGD", "eps", "leave it out"),
        ("RMSprop", "betas", "use momentum"),
        ("RMSprop", "rho", "use alpha"),
        ("RMSprop", "epsilon", "use eps"),
        ("Adadelta", "alpha", "use rho"),
        ("Adagrad", "momentum", "allowed: weight_decay"),
        ("SGD", "wd", "use weight_decay"),
        ("SGD", "weight-decay", "did you mean weight_decay?"),
        *((name, "lr", "from start_lr to end_lr") for name in NAMES),
        *((name, "fused", "it is chosen here") for name in NAMES),
    ],
)
def test_a_parameter_of_another_optimizer_is_told_its_counterpart(
    name: str, parameter: str, told: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        parse_optimizer({"name": name, parameter: 0.9})

    assert told in refused.value.errors()[0]["msg"]
    assert refused.value.errors()[0]["loc"][-1] == parameter
