"""docs/evidence.md says what was measured, and what was measured is what was planned."""

import math
import random
import statistics
from typing import Any

import pytest
import scipy.stats

from benchmarks import evidence
from benchmarks.evidence_plan import (
    FULL,
    RANGE_TEST_SEED,
    SEEDS,
    SGD,
    STEP_SIZE_EPOCHS,
    Row,
    accuracies,
    around,
    best_fixed,
    grid,
    read_rows,
    studies,
    wanted,
)
from benchmarks.evidence_stats import Welch
from benchmarks.evidence_tables import PAGE, inserted, tables
from clr.training.trainer import Trainer

BOUNDS = {"base_lr": 0.025, "max_lr": 0.1, "max_lr_interval": [0.09, 0.12], "steps": 2000}


def pretend(asked: Row, accuracy: float) -> Row:
    """A row as if it had been measured."""
    if asked["kind"] == "bounds":
        return asked | BOUNDS
    return asked | {"steps": 172 * asked["eighths"], "accuracy": accuracy}


def pretended(accuracy_of: Any) -> list[Row]:
    """Every row there is to measure, with these accuracies."""
    rows: list[Row] = [
        {"kind": "machine", "date": "d", "cpu": "c", "cores": 2, "python": "3"}
        | dict.fromkeys(("torch", "numpy", "scipy", "scikit-learn"), "1")
    ]
    for study in studies():
        while todo := evidence.missing(wanted(*study, rows), rows):
            rows += [pretend(asked, accuracy_of(asked)) for asked in todo]
    return rows


def flat(asked: Row) -> float:
    """Equal means with some spread over seeds; one fixed rate is better, `decay` worse."""
    seed = 0.001 * asked.get("seed", 0)
    if asked.get("lr") == 0.0316:
        return 0.95 + seed
    return (0.5 if asked.get("policy") == "decay" else 0.9) + seed


def test_a_study_begins_with_its_range_test_alone() -> None:
    about = {"workload": "digits-cnn", "optimizer": SGD}

    assert wanted("digits-cnn", SGD, []) == [{"kind": "bounds", **about}]
    assert wanted("digits-cnn", SGD, [{"kind": "bounds", **about, "max_lr": None}]) == []


def test_the_fixed_rate_is_shortened_once_its_best_is_known() -> None:
    rows = pretended(flat)
    full = [row for row in rows if row["kind"] != "run" or row["eighths"] == FULL]
    all_but_one = [row for row in full if row.get("lr") != 0.0316 or row["seed"] > 0]

    assert shortened("digits-cnn", rows) == shortened("digits-cnn", full) == {0.0316}
    assert shortened("digits-cnn", all_but_one) == set()


def shortened(workload: str, rows: list[Row]) -> set[float]:
    """The fixed rates of shorter budgets that are wanted."""
    asked = wanted(workload, SGD, rows)
    return {row["lr"] for row in asked if row["policy"] == "fixed" and row["eighths"] in (1, 2)}


def test_rates_are_half_decades_around_the_bounds_and_the_bounds_with_their_middle() -> None:
    assert grid(BOUNDS) == [0.001, 0.00316, 0.01, 0.0316, 0.1, 0.316, 1.0]
    assert around(BOUNDS) == [0.025, 0.05, 0.1]


def test_a_run_that_diverged_counts_as_nothing_right() -> None:
    about = {"kind": "run", "workload": "w", "optimizer": SGD, "policy": "fixed", "lr": 1.0, "eighths": FULL}
    rows = [about | {"seed": seed, "accuracy": None if seed else 0.9} for seed in (1, 0)]

    assert accuracies(rows, "w", SGD, "fixed", FULL, 1.0) == [90.0, 0.0]


def test_of_equal_fixed_rates_the_lowest_is_the_best() -> None:
    rows = pretended(lambda asked: 0.9)

    assert best_fixed(rows, "digits-cnn", SGD, grid(BOUNDS)) == grid(BOUNDS)[0]


def test_welchs_test_is_scipys() -> None:
    random.seed(0)
    first, second = ([random.gauss(mean, 1) for _ in range(size)] for mean, size in ((0, 3), (1, 4)))
    two_sided = scipy.stats.ttest_ind(first, second, equal_var=False)
    below = scipy.stats.ttest_ind(first, second, equal_var=False, alternative="less")

    ours = Welch.of(first, second)

    assert ours.difference == pytest.approx(statistics.fmean(first) - statistics.fmean(second))
    assert (ours.p, ours.p_below) == pytest.approx((two_sided.pvalue, below.pvalue))
    interval = two_sided.confidence_interval(0.95)
    assert ours.margin == pytest.approx((interval.high - interval.low) / 2)


@pytest.mark.parametrize(("other", "p", "p_below"), [(1.0, 1.0, 1.0), (2.0, 0.0, 0.0), (0.5, 0.0, 1.0)])
def test_without_spread_samples_differ_or_do_not(other: float, p: float, p_below: float) -> None:
    compared = Welch.of([1.0] * 3, [other] * 3)

    assert (compared.p, compared.p_below, compared.margin) == (p, p_below, 0)


def test_the_tables_tell_who_is_worse_and_who_gets_there_when() -> None:
    made = tables(pretended(flat))

    assert "| **0.0316: 95.10 ± 0.10** |" in made["grid"]
    assert "| fixed | 95.10 ± 0.10 | 95.10 ± 0.10 |" in made["budgets digits-cnn"]
    assert "| decay | 50.10 ± 0.10 * | 50.10 ± 0.10 * |" in made["budgets mnist5k-cnn"]
    assert "| decay | never / never |" in made["fractions"]
    assert "| fixed | 1/8 / 1/8 |" in made["fractions"]
    assert "| 50.10 ± 0.10 | +40.00 ± 0.23 | < 0.001 |" in made["control"]
    assert "| 90.10 ± 0.10 | +0.00 ± 0.23 | 1.000 |" in made["windows"]


def test_a_table_has_one_place_in_the_page() -> None:
    assert inserted("a\n<!-- table: t -->\nold\n<!-- end -->\nb", {"t": "new"}) == (
        "a\n<!-- table: t -->\n\nnew\n\n<!-- end -->\nb"
    )
    with pytest.raises(AssertionError, match="0 places for t"):
        inserted("a", {"t": "new"})


def test_everything_planned_was_measured_once() -> None:
    rows = read_rows()

    for study in studies():
        assert evidence.missing(wanted(*study, rows), rows) == []
    keys = [
        tuple(row.get(name) for name in ("workload", "optimizer", "policy", "lr", "eighths", "seed"))
        for row in rows
        if row["kind"] != "machine"
    ]
    assert len(keys) == len(set(keys))
    assert not {RANGE_TEST_SEED, RANGE_TEST_SEED + 1, RANGE_TEST_SEED + 2} & set(SEEDS)


def test_the_page_holds_exactly_the_tables_of_what_was_measured() -> None:
    page = PAGE.read_text()

    assert inserted(page, tables(read_rows())) == page
    assert set(STEP_SIZE_EPOCHS) == {row["workload"] for row in read_rows() if row["kind"] == "run"}


@pytest.mark.parametrize("policy", ["triangular2", "one_cycle", "decay"])
def test_a_run_trains_the_schedule_that_its_row_tells(policy: str) -> None:
    rows = read_rows()
    told = next(row for row in rows if row.get("policy") == policy and row["eighths"] == 1)
    bounds = next(row for row in rows if row["kind"] == "bounds")
    asked = {name: told[name] for name in ("workload", "optimizer", "policy", "lr", "eighths", "seed")}

    measured = evidence.measure({"kind": "run", **asked}, bounds)

    assert {name: measured[name] for name in ("steps", "schedule")} == {
        name: told[name] for name in ("steps", "schedule")
    }
    assert measured["accuracy"] == pytest.approx(told["accuracy"], abs=0.05)  # other machines round otherwise


def test_a_run_that_diverges_has_no_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = next(row for row in read_rows() if row["kind"] == "bounds")
    monkeypatch.setattr(Trainer, "step", lambda self, lr: math.nan)
    asked = {"workload": "digits-cnn", "optimizer": SGD, "policy": "triangular", "lr": None}

    measured = evidence.measure({"kind": "run", **asked, "eighths": 1, "seed": 0}, bounds)

    assert (measured["loss"], measured["accuracy"], measured["best"]) == (None, None, None)
