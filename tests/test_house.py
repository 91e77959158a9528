"""The house rules hold, and would be noticed if they did not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("api", "worker", "clr", "clr_tuner", "store", "migrations")
FACE = "clr_tuner"  # whose `__init__` is for users alone


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the sources, free to be spoilt."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_house_as_it_stands_keeps_its_import_rules(house: Path) -> None:
    linted = lint_imports(house)

    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(
    ("file", "breach"),
    [
        ("api/planted.py", "import worker.runner"),
        ("worker/planted.py", "import api.app"),
        ("clr_tuner/planted.py", "import api.app"),
        ("clr_tuner/planted.py", "import store.models"),
        ("clr/planted.py", "import clr_tuner"),
        ("clr_tuner/planted.py", "import torch"),
        ("clr_tuner/planted.py", "import sqlalchemy"),
        ("store/planted.py", "import clr.schedules"),
        ("clr/planted.py", "import store.settings"),
        ("clr/planted.py", "import sqlalchemy"),
        ("clr/planted.py", "import fastapi"),
        ("clr/planted.py", "import celery"),
        ("clr/bounds.py", "import torch"),
        ("api/planted.py", "import torch"),
        ("api/planted.py", "import clr.training.trainer"),
        ("store/planted.py", "import torch"),
        ("worker/planted.py", "from fastapi import status"),
        ("store/errors.py", "import store.reaper"),
    ],
)
def test_a_planted_breach_is_refused(house: Path, file: str, breach: str) -> None:
    with (house / file).open("a") as source:
        source.write(f"\n{breach}\n")

    linted = lint_imports(house)

    assert linted.returncode != 0
    assert "BROKEN" in linted.stdout


def test_a_package_never_imports_through_its_own_init() -> None:
    for package in sorted({*PACKAGES} - {FACE}):
        lines = (ROOT / package / "__init__.py").read_text().splitlines()
        assert len(lines) == 1, f"{package}/__init__.py holds more than its docstring"


def test_the_api_loads_no_torch() -> None:
    code = "import sys, api.app; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_celery_parent_loads_no_torch() -> None:
    code = "import sys, worker.app; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_ci_runs_what_the_makefile_offers() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    targets = (ROOT / "Makefile").read_text()

    called = [line.removeprefix("make ") for line in script.splitlines() if line.startswith("make ")]
    assert called == ["check", "test"]
    assert all(f"\n{target}:" in targets for target in called)
