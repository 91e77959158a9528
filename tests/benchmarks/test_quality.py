"""The benchmark of finders, as docs/benchmark.md invites to it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.quality.__main__ import load_finder
from benchmarks.quality.measuring import Sweeps
from benchmarks.quality.methods import REPEATS, answers
from benchmarks.quality.tasks import TASKS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "benchmark.md").read_text()


def test_the_finder_of_the_page_has_a_row_of_its_own(tmp_path: Path) -> None:
    [finder], [command] = (
        re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) for language in ("python", "sh")
    )
    (tmp_path / "mine.py").write_text(finder)
    python, rest = command.split(maxsplit=1)
    assert python == ".venv/bin/python"

    ran = subprocess.run(
        f"{sys.executable} {rest}",
        shell=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "CLR_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        check=True,
    )

    [row] = [line.split(" | ") for line in ran.stdout.splitlines() if line.startswith("| mine:find")]
    assert 0 <= float(row[1]) < 5


@pytest.mark.parametrize(
    ("said", "lr", "why"),
    [(0.1, 0.1, None), ((0.01, 0.1), 0.1, None), (None, None, "no answer"), (-1.0, None, "-1.0 is no rate")],
)
def test_a_finder_answers_a_rate_or_a_pair_or_nothing(
    said: object, lr: float | None, why: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLR_DATA_DIR", str(tmp_path))

    found = answers(TASKS[0], Sweeps(TASKS[0]), {"theirs": lambda lrs, losses: said})["theirs"]

    assert [(answer.lr, answer.why) for answer in found] == [(lr, why)] * len(REPEATS)


def test_a_finder_that_raises_has_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLR_DATA_DIR", str(tmp_path))

    found = answers(TASKS[0], Sweeps(TASKS[0]), {"theirs": lambda lrs, losses: 1 / 0})["theirs"]

    assert {answer.why for answer in found} == {"ZeroDivisionError: division by zero"}


@pytest.mark.parametrize("name", ["nowhere:find", "math:find", "math", ""])
def test_a_finder_that_is_not_there_ends_the_program_by_its_name(name: str) -> None:
    with pytest.raises(SystemExit, match=re.escape(f"--finder {name}: must be MODULE:FUNCTION")):
        load_finder(name)
