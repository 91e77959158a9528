"""docs/evidence.md says what was measured, and what was measured is what was planned."""

import json
import math
from collections.abc import Iterable
from typing import Any

import pytest
import torch

from benchmarks import evidence, evidence_plan
from benchmarks.evidence_plan import (
    FULL,
    OPTIMIZERS,
    RANGE_TEST_SEED,
    SGD,
    TASKS,
    Row,
    best_fixed,
    fixed_scores,
    grid,
    halved_scores,
    hindsight_scores,
    num_seeds,
    read_rows,
    scores,
    studies,
    wanted,
)
from benchmarks.evidence_tables import PAGE, inserted, tables
from clr.training.trainer import Trainer

TASK = "digits-mlp"
BOUNDS = {
    "base_lr": 0.05,
    "max_lr": 0.2,
    "constant_lr": 0.1,
    "max_lr_interval": [0.09, 0.12],
    "steps": 2000,
}


def pretend(asked: Row, accuracy: float) -> Row:
    """A row as if it had been measured; the second half is a point better."""
    if asked["kind"] == "bounds":
        return asked | BOUNDS
    return asked | {"steps": 172 * asked["eighths"], "halves": [accuracy, accuracy + 0.01]}


def pretended(accuracy_of: Any, asked_for: Iterable[tuple[str, str]] = ((TASK, SGD),)) -> list[Row]:
    """Every row of these studies, with these accuracies."""
    rows: list[Row] = [
        {"kind": "machine", "date": "d", "cpu": "c", "cores": 2, "python": "3"}
        | dict.fromkeys(("torch", "numpy", "scipy", "scikit-learn"), "1")
    ]
    for study in asked_for:
        while todo := evidence.missing(wanted(*study, rows), rows):
            rows += [pretend(asked, accuracy_of(asked)) for asked in todo]
    return rows


def flat(asked: Row) -> float:
    """Equal means with some spread over seeds; one fixed rate is better, `decay` worse."""
    seed = 0.001 * asked.get("seed", 0) * (1 if asked.get("policy") == "fixed" else 2)
    if asked.get("lr") == 0.0316:
        return 0.95 + seed
    return (0.5 if asked.get("policy") == "decay" else 0.9) + seed


def fixed(lr: float, seed: int, either: tuple[float, float], *, eighths: int = FULL) -> Row:
    """A run at a fixed rate."""
    about = {"kind": "run", "task": TASK, "optimizer": SGD, "policy": "fixed"}
    return about | {"lr": lr, "eighths": eighths, "seed": seed, "halves": either}


def test_a_study_begins_with_its_range_test_alone() -> None:
    about = {"task": TASK, "optimizer": SGD}

    assert wanted(TASK, SGD, []) == [{"kind": "bounds", **about}]
    assert wanted(TASK, SGD, [{"kind": "bounds", **about, "max_lr": None}]) == []


def test_fixed_rates_are_shortened_once_the_best_are_known() -> None:
    rows = pretended(flat)
    full = [row for row in rows if row["kind"] != "run" or row["eighths"] == FULL]
    all_but_one = [row for row in full if row.get("lr") != 0.0316 or row["seed"] > 0]

    assert shortened(rows) == shortened(full) == {0.0316}
    assert shortened(all_but_one) == set()


def shortened(rows: list[Row]) -> set[float]:
    """The fixed rates of shorter budgets that are wanted."""
    asked = wanted(TASK, SGD, rows)
    return {row["lr"] for row in asked if row["policy"] == "fixed" and row["eighths"] in (1, 2)}


def test_the_grid_grows_until_the_best_rates_are_inside() -> None:
    bounds = {"kind": "bounds", "task": TASK, "optimizer": SGD, **BOUNDS}
    downhill = pretended(lambda asked: 1 - (asked.get("lr") or 0) / 10)
    uphill = pretended(lambda asked: (asked.get("lr") or 0) / 1000)

    assert grid([bounds], TASK, SGD) == [0.01, 0.0316, 0.1, 0.316]
    assert grid(pretended(flat), TASK, SGD) == [0.01, 0.0316, 0.1, 0.316]
    assert grid(downhill, TASK, SGD)[0] == 0.0001
    assert grid(uphill, TASK, SGD)[-1] == 100.0


def two_good_rates() -> list[Row]:
    """0.0316 is best on the first half and for all seeds but the first, 0.1 for that one and on the second half."""
    bounds = {"kind": "bounds", "task": TASK, "optimizer": SGD, **BOUNDS}
    others = [fixed(lr, seed, (0.1, 0.1)) for lr in (0.01, 0.316) for seed in range(5)]
    steady = [fixed(0.0316, seed, (0.9, 0.5)) for seed in range(5)]
    lucky = [fixed(0.1, seed, (0.9, 1.0) if seed == 0 else (0.55, 0.8)) for seed in range(5)]
    return [bounds, *others, *steady, *lucky]


def test_no_seed_is_scored_with_a_rate_that_it_chose() -> None:
    rows = two_good_rates()

    assert best_fixed(rows, TASK, SGD, grid(rows, TASK, SGD)) == [0.0316, 0.1, 0.1, 0.1, 0.1]
    assert fixed_scores(rows, TASK, SGD, FULL) == pytest.approx([70.0, *[67.5] * 4])


def test_either_half_is_scored_with_the_rate_that_the_other_chose() -> None:
    assert halved_scores(two_good_rates(), TASK, SGD) == pytest.approx([70.0, *[52.5] * 4])


def test_in_hindsight_all_seeds_choose() -> None:
    assert hindsight_scores(two_good_rates(), TASK, SGD) == pytest.approx([95.0, *[67.5] * 4])


def test_of_equal_fixed_rates_the_lowest_is_the_best() -> None:
    rows = [fixed(lr, seed, (0.9, 0.9)) for lr in (0.01, 0.1) for seed in range(5)]

    assert best_fixed(rows, TASK, SGD, [0.01, 0.1]) == [0.01] * 5


def test_scores_come_by_seed() -> None:
    rows = [fixed(0.1, seed, (seed / 10, 1.0)) for seed in (2, 0, 1)]

    assert scores(rows, TASK, SGD, "fixed", FULL, 0.1) == [50.0, 55.0, 60.0]


def test_the_tables_tell_who_is_worse_and_who_gets_there_when() -> None:
    made = tables(pretended(flat, studies()))

    assert "0.0316: 95.70" in made["grid"]
    assert "| triangular2 | -4.80 ± 0.07 |" in made["budgets"]
    assert "| best fixed | +0.00 ± 0.00 + |" in made["budgets"]
    assert "| triangular2 at 3/8 less decay at 3/8 | +40.00 ± 0.00 | ± 0.00 |" in made["cycling"]
    assert "| different | 100% |" in made["cycling"]
    assert "| equivalent | 100% |" in made["windows"]
    assert (
        "| SGD, less the mean gain of the adaptive | 2 | +0.00 ± 0.00, equivalent (100%) |"
        in made["adaptive"]
    )


def test_an_optimizer_without_bounds_is_left_out_of_its_tables() -> None:
    rows = pretended(flat, studies())
    adam = {"task": TASK, "optimizer": "Adam"}
    kept = [row for row in rows if not adam.items() <= row.items()]
    lost = [*kept, {"kind": "bounds", **adam, "max_lr": None, "why": "no_learning", "steps": 200}]

    made = tables(lost)

    assert f"| {TASK} | Adam | - | - | inconclusive: `no_learning` |" in made["bounds"]
    assert (
        "| Adam | 1 | +0.10 ± 0.25, equivalent (100%) | -4.90 ± 0.25, different (100%) |" in made["adaptive"]
    )


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
        tuple(row.get(name) for name in ("task", "optimizer", "policy", "lr", "eighths", "seed"))
        for row in rows
        if row["kind"] != "machine"
    ]
    assert len(keys) == len(set(keys))
    assert max(map(num_seeds, OPTIMIZERS)) <= RANGE_TEST_SEED


def test_the_page_holds_exactly_the_tables_of_what_was_measured() -> None:
    page = PAGE.read_text()

    assert inserted(page, tables(read_rows())) == page
    assert set(TASKS) == {row["task"] for row in read_rows() if row["kind"] == "run"}


@pytest.mark.parametrize("policy", ["triangular2", "one_cycle", "decay"])
def test_a_run_trains_the_schedule_that_its_row_tells(policy: str) -> None:
    rows = read_rows()
    told = next(row for row in rows if row.get("policy") == policy and row["task"] == TASK)
    bounds = next(row for row in rows if row["kind"] == "bounds")
    asked = {name: told[name] for name in ("task", "optimizer", "policy", "lr", "eighths", "seed")}

    measured = evidence.measure({"kind": "run", **asked}, bounds)

    assert {name: measured[name] for name in ("steps", "schedule")} == {
        name: told[name] for name in ("steps", "schedule")
    }
    assert measured["halves"] == pytest.approx(told["halves"], abs=0.05)  # other machines round otherwise


def test_a_run_that_diverges_ends_there_with_the_score_of_its_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bounds = next(row for row in read_rows() if row["kind"] == "bounds")
    monkeypatch.setattr(Trainer, "step", lambda self, lr: torch.tensor(math.nan))
    asked = {"task": TASK, "optimizer": SGD, "policy": "triangular", "lr": None}

    measured = evidence.measure({"kind": "run", **asked, "eighths": 1, "seed": 0}, bounds)

    assert measured["diverged_at"] == 1
    assert all(0 <= half < 0.4 for half in measured["halves"])


def test_what_is_measured_is_kept_and_not_measured_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = tmp_path / "evidence.jsonl"
    monkeypatch.setattr(evidence, "RAW", raw)
    monkeypatch.setattr(evidence, "read_rows", lambda: evidence_plan.read_rows(raw))
    monkeypatch.setattr(evidence, "studies", lambda: [(TASK, SGD)])
    monkeypatch.setattr(evidence, "measure", measured_at_once)

    evidence.fill([])
    once = raw.read_text()
    evidence.fill([])

    assert raw.read_text() == once
    rows = [json.loads(line) for line in once.splitlines()]
    assert evidence.missing(wanted(TASK, SGD, rows), rows) == []
    assert "digits-mlp SGD triangular2 1/8 seed 0 90.50" in capsys.readouterr().out


def measured_at_once(asked: Row, bounds: Row | None) -> Row:
    """A row as `evidence.measure` answers it, without training."""
    return pretend(asked, flat(asked)) | {"cpu_s": 0.0, "diverged_at": None}
