"""Schedules with parameters left out."""

from typing import Any

import pytest
from pydantic import ValidationError

from clr.partial_schedules import check_partial, complete, lacks_rates
from clr.policies import by_policy

GIVEN: dict[str, Any] = {"base_lr": 0.01, "max_lr": 0.09, "step_size": 50, "num_steps": 1000}
UNSTAGED = [policy for policy in by_policy() if policy != "staged"]


@pytest.mark.parametrize("policy", UNSTAGED)
def test_a_policy_alone_is_enough(policy: str) -> None:
    schedule = complete({"policy": policy}, **GIVEN)

    assert all(0 <= schedule(step) <= 0.09 + 1e-12 for step in range(0, 1000, 7))


@pytest.mark.parametrize("policy", UNSTAGED)
def test_what_is_given_stays(policy: str) -> None:
    whole = complete({"policy": policy}, **GIVEN).model_dump(mode="json")

    again = complete(whole, base_lr=None, max_lr=None, step_size=1, num_steps=4)

    assert again.model_dump(mode="json") == whole


@pytest.mark.parametrize(
    ("policy", "first"),
    [
        ("fixed", 0.03),
        ("step_decay", 0.09),
        ("exponential_decay", 0.09),
        ("triangular", 0.01),
        ("decay", 0.09),
    ],
)
def test_where_the_first_rate_comes_from(policy: str, first: float) -> None:
    assert complete({"policy": policy}, **GIVEN)(0) == pytest.approx(first)


@pytest.mark.parametrize(("policy", "steps"), [("exponential_decay", 70_000), ("exp_range", 42_000)])
def test_a_gamma_decays_as_far_as_the_papers_does_over_its_run(policy: str, steps: int) -> None:
    schedule: Any = complete({"policy": policy}, **GIVEN)

    assert schedule.gamma**1000 == pytest.approx(0.99994**steps)


@pytest.mark.parametrize("policy", UNSTAGED)
def test_rates_are_lacking_until_all_are_given(policy: str) -> None:
    whole = complete({"policy": policy}, **GIVEN).model_dump(mode="json")

    assert lacks_rates({"policy": policy})
    assert not lacks_rates(whole)


def test_what_is_wrong_is_seen_before_the_rest_is_known() -> None:
    with pytest.raises(ValidationError, match="gamma"):
        check_partial({"policy": "exp_range", "gamma": 1.5})
