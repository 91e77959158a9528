"""`clr-tuner schedule`: computed without a service."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from clr.policies import by_policy
from clr_tuner.commands.cli import main

TRIANGULAR2 = ["triangular2", "--base-lr", "0.001", "--max-lr=0.006", "--step-size", "2"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["schedule", *arguments], env={"NO_COLOR": "1", "COLUMNS": "200"})


def test_a_table_shows_lr_cycle_and_x() -> None:
    result = run(*TRIANGULAR2, "--num-steps", "5")

    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["STEP", "LR", "CYCLE", "X"],
        ["0", "0.001", "1", "1"],
        ["1", "0.0035", "1", "0.5"],
        ["2", "0.006", "1", "0"],
        ["3", "0.0035", "1", "0.5"],
        ["4", "0.001", "2", "1"],
    ]


def test_json_holds_every_step_of_three_cycles() -> None:
    assert json.loads(run(*TRIANGULAR2, "--json").stdout)["step"] == list(range(12))


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_picture_is_written(tmp_path: Path, suffix: str) -> None:
    result = run(*TRIANGULAR2, "--plot", str(tmp_path / f"t.{suffix}"))

    assert result.exit_code == 0
    assert (tmp_path / f"t.{suffix}").read_bytes()[:5] in (b"<?xml", b"\x89PNG\r")


def test_one_cycle_takes_its_own_num_steps() -> None:
    result = run("one_cycle", "--base-lr", "0.01", "--max-lr", "0.1", "--num-steps", "10", "--json")

    assert json.loads(result.stdout)["lr"][-1] == pytest.approx(1e-6)


def test_a_number_may_begin_with_its_point() -> None:
    assert json.loads(run("fixed", "--lr", ".5", "--num-steps", "1", "--json").stdout)["lr"] == [0.5]


def test_help_lists_every_policy() -> None:
    text = run("--help").stdout

    assert all(f" {policy} --" in text for policy in by_policy())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["zigzag"], "no policy 'zigzag'"),
        (["triangular", "--base-lr", "1", "--max-lr", "0.1", "--step-size", "5"], "--max-lr must be greater"),
        (["triangular", "--max-lr", "0.1", "--step-size", "5"], "--base-lr is missing"),
        (["triangular", "--speed", "5"], "--speed is not an option"),
        (["fixed", "--lr"], "--lr needs a value"),
        (["triangular", "--policy", "fixed"], "--policy is not an option"),
        (
            ["staged", "--stages", '[{"start": 0, "end": 9, "schedule": {"policy": "fixed", "lr": -1}}]'],
            "--stages 0",
        ),
        (["fixed", "0.1"], "unexpected '0.1'"),
        (["fixed", "--lr", "0.1"], "--num-steps"),
        ([*TRIANGULAR2, "--plot", "picture.gif"], "must end in .png, .svg or .pdf"),
    ],
)
def test_a_wrong_argument_is_explained(arguments: list[str], says: str) -> None:
    result = run(*arguments)

    assert result.exit_code == 2
    assert says in " ".join(result.stderr.replace("│", " ").split())
