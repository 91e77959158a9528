"""Other packages' rules answer as the packages themselves did; golden/finders.py asked them."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clr.finders import RULES, debiased_mean, list_candidates, longest_valley, paper
from clr.reading import Reading
from clr.sweep import Point, Sweep
from tests.clr.curves import accuracy_with_edges, loss_of, measured, plan

ROOT = Path(__file__).parent.parent.parent
GOLDEN: dict[str, Any] = json.loads((ROOT / "tests" / "golden" / "finders.json").read_text())
LOSSES = st.lists(st.floats(-1e9, 1e9) | st.sampled_from([math.nan, math.inf, -math.inf, 0.5]), max_size=60)


def answer(rule: str, curve: str) -> float | None:
    values = GOLDEN["curves"][curve]
    return RULES[rule][0](values["lrs"], values["losses"])


def ladder(losses: list[float]) -> list[float]:
    return [10 ** (-6 + step / 10) for step in range(len(losses))]


def table() -> str:
    """The page's table, as the functions fill it."""
    rows = [["curve", *RULES], ["---"] * (len(RULES) + 1)]
    for curve in GOLDEN["curves"]:
        answers = [answer(rule, curve) for rule in RULES]
        rows.append([curve, *("-" if lr is None else f"{lr:.2g}" for lr in answers)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


@pytest.mark.parametrize("curve", GOLDEN["curves"])
@pytest.mark.parametrize("rule", GOLDEN["answers"])
def test_a_rule_answers_as_its_package_did(rule: str, curve: str) -> None:
    expected = GOLDEN["answers"][rule][curve]

    assert answer(rule, curve) == (None if expected is None else pytest.approx(expected, rel=1e-9))


def test_every_rule_of_a_package_was_asked() -> None:
    assert set(GOLDEN["answers"]) == set(RULES) - {"paper"}


def test_single_precision_would_have_answered_otherwise_only_where_nothing_moves() -> None:
    assert {curve for answers in GOLDEN["single"].values() for curve in answers} == {"flat"}


@given(st.lists(st.integers(0, 30) | st.floats(allow_nan=False), min_size=1, max_size=40))
def test_the_fast_valley_is_the_slow_one(losses: list[float]) -> None:
    lengths = [1] * len(losses)
    for end in range(1, len(losses)):
        for start in range(end):
            if losses[end] < losses[start]:
                lengths[end] = max(lengths[end], lengths[start] + 1)
    longest = max(lengths)
    start = lengths.index(longest) - longest if longest > 1 else 0

    assert longest_valley(losses) == start + (0 if longest == 1 else longest // 3 + longest // 6)


@given(LOSSES)
@pytest.mark.parametrize("rule", RULES)
def test_no_rule_raises_or_leaves_the_sweep(rule: str, losses: list[float]) -> None:
    lrs = ladder(losses)

    found = RULES[rule][0](lrs, losses)

    assert found is None or found in (lrs if rule != "minimum" else [lr / 10 for lr in lrs])


@pytest.mark.parametrize("rule", ["valley", "steep", "torch_lr_finder", "lightning_before_2_5_3", "ignite"])
def test_the_losss_scale_does_not_matter_to_most(rule: str) -> None:
    assert answer(rule, "near zero") == answer(rule, "typical, 100 steps")


@pytest.mark.parametrize(
    ("rule", "fewest"),
    [
        ("valley", 6),
        ("minimum", 6),
        ("steep", 7),
        ("slide", 23),
        ("torch_lr_finder", 17),
        ("lightning_before_2_5_3", 13),
        ("lightning", 13),
        ("ignite", 3),
        ("ktrain", 35),
        ("paper", 12),
    ],
)
def test_a_rule_answers_from_as_few_points_as_its_package(rule: str, fewest: int) -> None:
    falling = [2.0 - 0.01 * step for step in range(fewest)]
    if rule == "paper":
        falling[-3:] = [3.0] * 3  # it wants to see the edge

    assert RULES[rule][0](ladder(falling), falling) is not None
    assert RULES[rule][0](ladder(falling)[:-1], falling[:-1]) is None


@pytest.mark.parametrize(("ahead", "first"), [(0, 1.0), (1, 1 / 1.98)])
def test_lightnings_mean_of_a_constant_begins_at_half_of_it(ahead: int, first: float) -> None:
    assert debiased_mean([1.0] * 5, ahead=ahead)[0] == pytest.approx(first)


def test_the_papers_rule_is_the_upper_edge_of_our_plateau() -> None:
    curve = GOLDEN["curves"]["digits"]
    points = [Point(step, *at) for step, at in enumerate(zip(curve["lrs"], curve["losses"], strict=True))]
    found = Reading(Sweep(plan(num_steps=len(points)), points)).plateau

    assert found is not None
    assert paper(curve["lrs"], curve["losses"]) == found.upper_lr


@pytest.mark.parametrize("curve", ["flat", "rising", "#21141"])
def test_the_papers_rule_has_no_answer_without_a_fall_or_an_edge(curve: str) -> None:
    assert answer("paper", curve) is None


def test_the_table_in_the_docs_is_what_the_functions_say() -> None:
    assert table() in (ROOT / "docs" / "finders.md").read_text()


@pytest.fixture
def scout() -> Sweep:
    exponential = plan(sweep=0, phase="scout", shape="exponential", start_lr=1e-6, end_lr=10.0, num_steps=150)
    return measured(exponential, loss_of(accuracy_with_edges(0.01, 1.0)))


def test_candidates_are_labelled_and_come_from_the_scout(scout: Sweep) -> None:
    candidates = list_candidates([measured(plan(), lambda lr: 1.0), scout])

    assert [candidate.name for candidate in candidates] == [
        "valley",
        "slide",
        "minimum",
        "steep",
        "torch_lr_finder",
        "lightning_before_2_5_3",
        "lightning",
        "ignite",
        "ktrain",
        "paper",
    ]
    assert all(candidate.note and candidate.lr is not None for candidate in candidates)


def test_a_candidate_is_its_rule_on_the_raw_losses(scout: Sweep) -> None:
    lrs, losses = [point.lr for point in scout.points], [point.loss for point in scout.points]

    assert {candidate.name: candidate.lr for candidate in list_candidates([scout])} == {
        name: rule(lrs, losses) for name, (rule, _) in RULES.items()
    }


def test_a_sweep_that_ended_in_nan_has_candidates_below_it(scout: Sweep) -> None:
    points = [point for point in scout.points if point.lr < 0.1]
    broken = [*points, Point(len(points), 0.1, math.nan)]

    candidates = list_candidates([Sweep(scout.plan, broken)])

    assert all(candidate.lr is None or candidate.lr < 0.1 for candidate in candidates)


@pytest.mark.parametrize("num_points", [0, 1])
def test_too_short_a_curve_gives_candidates_without_a_rate(num_points: int) -> None:
    points = [Point(0, 0.1, 1.0)][:num_points]

    candidates = list_candidates([Sweep(plan(shape="exponential"), points)])

    assert len(candidates) == len(RULES)
    assert all(candidate.lr is None for candidate in candidates)


def test_without_a_scout_there_are_no_candidates() -> None:
    assert list_candidates([measured(plan(), lambda lr: 1.0)]) == ()
