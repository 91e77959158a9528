"""Rates for a length are judged by examples that neither the range tests nor the oracle's choice have looked at."""

from pathlib import Path

import pytest

from benchmarks.quality import budgets, kept
from benchmarks.quality.halves import Halved
from benchmarks.quality.tasks import Task
from store.settings import Settings

TASK = Task(workload="digits-logistic", optimizer="adam")
TITLED = Task(workload="digits-logistic", optimizer="adam", title="ours")
HELD_OUT = 400


@pytest.fixture(autouse=True)
def _nothing_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "get_settings", lambda: Settings(data_dir=tmp_path))


def test_a_range_test_keeps_the_sweeps_that_do_not_see_what_scores() -> None:
    budgets.Tests(TASK).read(0, "quick", "one_cycle", 320)

    assert {row["task"] for row in kept.Kept("sweeps")} == {Halved.of(TASK).name}


def test_a_task_is_told_from_its_like_when_halved_too() -> None:
    assert Halved.of(TITLED).name != Halved.of(TASK).name


def test_a_table_says_how_many_examples_score(capsys: pytest.CaptureFixture[str]) -> None:
    budgets.print_table("Some", [TASK])

    assert f"{HELD_OUT // 2} examples score at the fewest" in capsys.readouterr().out


def test_what_was_trained_to_confirm_is_kept_and_says_the_same_again() -> None:
    bounds = budgets.Tests(TASK).read(0, "quick", "one_cycle", 100)
    assert bounds is not None

    confirmed, again = (budgets.Tests(TASK).confirm(bounds, 0, "one_cycle", 100) for _ in range(2))

    assert confirmed.confirmation is not None
    assert confirmed.confirmation == again.confirmation
    kept_runs = list(kept.Kept("confirmations"))
    assert len(kept_runs) == len(confirmed.confirmation.tried)
    assert {row["task"] for row in kept_runs} == {Halved.of(TASK).name}
