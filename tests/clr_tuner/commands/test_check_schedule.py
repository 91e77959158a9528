"""`clr-tuner check-schedule`: logged rates against a schedule, without a service."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from clr.policies import parse_schedule
from clr_tuner.commands.cli import main

PLAN = parse_schedule({"policy": "triangular", "base_lr": 0.001, "max_lr": 0.006, "step_size": 200})
OPTIONS = ["--policy", "triangular", "--base-lr", "0.001", "--max-lr=0.006", "--step-size", "200"]


def run(*arguments: str | Path) -> Result:
    words = ["check-schedule", *map(str, arguments)]
    return CliRunner().invoke(main, words, env={"NO_COLOR": "1", "COLUMNS": "200"})


def a_csv(folder: Path, lr: Sequence[object], *, step: Sequence[int] = (), column: str = "lr") -> Path:
    file = folder / "metrics.csv"
    steps = step or range(len(lr))
    lines = [f"{at},{rate},0.5" for at, rate in zip(steps, lr, strict=True)]
    file.write_text("\n".join([f"step,{column},train_loss", *lines]) + "\n")
    return file


def test_rates_as_planned_exit_with_0(tmp_path: Path) -> None:
    result = run(a_csv(tmp_path, [PLAN(step) for step in range(500)]), *OPTIONS)

    assert (result.exit_code, result.stdout) == (0, "500 updates, all at the planned rate\n")


def test_the_file_may_come_after_the_options(tmp_path: Path) -> None:
    assert run(*OPTIONS, a_csv(tmp_path, [PLAN(0)])).exit_code == 0


def test_rates_that_depart_exit_with_1_and_say_why(tmp_path: Path) -> None:
    result = run(a_csv(tmp_path, [PLAN(step // 64) for step in range(500)]), *OPTIONS)

    assert result.exit_code == 1
    assert "stepped once per epoch of 64 updates" in result.stdout
    assert "step 1 planned 0.001025, applied 0.001" in result.stdout


@pytest.mark.parametrize(
    ("index", "problem"),
    [
        (lambda step: step, None),
        (lambda step: step // 64, "per_epoch"),
        (lambda step: 4 * step, "several_per_update"),
        (lambda step: max(step - 1, 0), "first_rate_twice"),
    ],
)
def test_rates_that_were_logged_now_and_then_are_enough(tmp_path: Path, index: object, problem: str) -> None:
    steps = range(0, 1000, 50)
    assert callable(index)

    result = run(a_csv(tmp_path, [PLAN(index(step)) for step in steps], step=steps), *OPTIONS, "--json")

    assert json.loads(result.stdout)["problem"] == problem


def test_rows_without_a_rate_are_passed_over(tmp_path: Path) -> None:
    """Lightning's metrics.csv has a row for each thing that is logged."""
    file = a_csv(tmp_path, [PLAN(0), "", PLAN(2)], column="lr-SGD")

    assert run(file, *OPTIONS).stdout == "2 updates, all at the planned rate\n"


def test_rates_that_were_rounded_ask_for_a_tolerance(tmp_path: Path) -> None:
    file = a_csv(tmp_path, [f"{PLAN(step):.3g}" for step in range(300)])

    strict = run(file, *OPTIONS)

    assert strict.exit_code == 1
    assert "allow for it: rtol 0.01" in strict.stdout
    assert run(file, *OPTIONS, "--rtol", "0.01").exit_code == 0


@pytest.mark.parametrize(
    "logged",
    [
        [PLAN(0), PLAN(1)],
        [{"step": 0, "lr": PLAN(0)}, {"step": 1, "lr": PLAN(1)}],
        {"step": [0, 1], "lr": [PLAN(0), PLAN(1)]},
        {
            "log_history": [
                {"step": 0, "learning_rate": PLAN(0)},
                {"step": 1, "learning_rate": PLAN(1)},
                {"step": 1, "eval_loss": 0.5},
            ]
        },
    ],
    ids=["list", "rows", "columns", "trainer_state"],
)
def test_json_is_read_in_each_of_its_forms(tmp_path: Path, logged: object) -> None:
    file = tmp_path / "logged.json"
    file.write_text(json.dumps(logged))

    assert run(file, *OPTIONS).stdout == "2 updates, all at the planned rate\n"


@pytest.mark.parametrize("arguments", [(), ("--first-step", "100")])
def test_a_training_that_went_on_is_checked_from_its_first_step(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    file = a_csv(tmp_path, [PLAN(step) for step in range(50)], step=range(100, 150))

    assert "not restored: it starts again at step 0, not at 100" in run(file, *OPTIONS, *arguments).stdout


def test_a_log_that_counts_from_1_is_told_from_a_first_rate_that_is_used_twice(tmp_path: Path) -> None:
    file = a_csv(tmp_path, [PLAN(step) for step in range(50)], step=range(1, 51))

    assert "1 step behind the plan from the start" in run(file, *OPTIONS).stdout
    assert run(file, *OPTIONS, "--first-step", "0").exit_code == 0


@pytest.mark.parametrize(
    ("text", "arguments", "says"),
    [
        ("step,loss\n0,1\n", (), "no column of rates; say which with --lr-column: step, loss"),
        ("lr-a,lr-b\n1,1\n", (), "several columns of rates; say which with --lr-column: lr-a, lr-b"),
        ("lr\nfast\n", (), "'fast' in column 'lr' is no finite number"),
        ("lr\nnan\n", (), "'nan' in column 'lr' is no finite number"),
        ("step,lr\n1,1\n1,1\n", (), "column 'step' must rise, but 1 follows 1"),
        ("lr\n", ("--lr-column", "rate"), "no rates in column 'rate'"),
        ("lr\n1\n", ("--speed", "1"), "--speed is not an option of this policy"),
        ("lr\n1\n", ("another.csv",), "unexpected 'another.csv'"),
    ],
)
def test_what_cannot_be_read_is_explained(
    tmp_path: Path, text: str, arguments: tuple[str, ...], says: str
) -> None:
    file = tmp_path / "logged.csv"
    file.write_text(text)

    result = run(file, *OPTIONS, *arguments)

    assert result.exit_code == 2
    assert says in " ".join(result.stderr.split())


def test_a_file_that_is_not_there_is_explained(tmp_path: Path) -> None:
    result = run(tmp_path / "none.csv", *OPTIONS)

    assert (result.exit_code, "cannot be read: No such file" in result.stderr) == (2, True)
