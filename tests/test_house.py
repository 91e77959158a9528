"""The house rules hold, and would be noticed if they did not."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("api", "worker", "clr", "clr_tuner", "store", "migrations", "pages")
FACE = "clr_tuner"  # whose `__init__` is for users alone


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def copy_house(folder: Path) -> Path:
    """A copy of the sources, free to be spoilt."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_the_house_as_it_stands_keeps_its_import_rules(tmp_path: Path) -> None:
    linted = lint_imports(copy_house(tmp_path))

    assert linted.returncode == 0, linted.stdout


BREACHES = [
    ("api", "import worker.runner"),
    ("worker", "import api.app"),
    ("clr_tuner", "import api.app"),
    ("clr_tuner", "import store.models"),
    ("clr", "import clr_tuner"),
    ("clr_tuner", "import torch"),
    ("clr_tuner", "import sqlalchemy"),
    ("store", "import clr.schedules"),
    ("clr", "import store.settings"),
    ("clr", "import sqlalchemy"),
    ("clr", "import fastapi"),
    ("clr", "import celery"),
    ("clr", "import torch"),
    ("api", "import torch"),
    ("api", "import clr.training.trainer"),
    ("store", "import torch"),
    ("worker", "from fastapi import status"),
    ("pages", "import store.settings"),
    ("pages", "import clr.schedules"),
    ("worker", "import pages.routes"),
]


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says of a house with all breaches at once, each in a module of its own."""
    house = copy_house(tmp_path_factory.mktemp("spoilt"))
    for number, (package, breach) in enumerate(BREACHES):
        (house / package / f"planted_{number}.py").write_text(f"{breach}\n")
    with (house / "store" / "errors.py").open("a") as source:
        source.write("\nimport store.reaper\n")
    return lint_imports(house).stdout


@pytest.mark.parametrize("number", range(len(BREACHES)), ids=[" ".join(breach) for breach in BREACHES])
def test_a_planted_breach_is_refused(number: int, spoilt: str) -> None:
    package, breach = BREACHES[number]
    imported = breach.split()[1]

    assert re.search(rf"{package}\.planted_{number} +-> +{re.escape(imported)}\b", spoilt), spoilt


def test_a_planted_cycle_is_refused(spoilt: str) -> None:
    assert "no cycles BROKEN" in spoilt


def test_no_init_holds_more_than_its_docstring() -> None:
    inits = {init for package in PACKAGES for init in (ROOT / package).rglob("__init__.py")}

    for init in inits - {ROOT / FACE / "__init__.py"}:
        assert len(init.read_text().splitlines()) == 1, init


THROUGH_THE_FACE = re.compile(rf"^\s*(import {FACE}( as \w+)?|from {FACE} import .*)$", re.MULTILINE)


@pytest.mark.parametrize(
    ("line", "refused"), [(f"import {FACE} as ct", True), (f"import {FACE}.client", False)]
)
def test_imports_through_the_face_are_told_from_others(line: str, refused: bool) -> None:
    assert bool(THROUGH_THE_FACE.search(line)) == refused


def test_nothing_of_ours_imports_through_the_face() -> None:
    for package in PACKAGES:
        for source in (ROOT / package).rglob("*.py"):
            code = re.sub(r'"""(.|\n)*?"""|"[^"\n]*"', "", source.read_text())  # docstrings, code to paste
            assert not THROUGH_THE_FACE.search(code), source


def test_the_api_loads_no_torch() -> None:
    code = "import sys, api.app; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_celery_parent_loads_no_torch() -> None:
    code = "import sys, worker.app; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_ci_runs_what_the_makefile_offers() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    targets = (ROOT / "Makefile").read_text()

    called = re.findall(r"\bmake ([a-z-]+)", script.partition("cd ")[2])
    assert called == ["check", "test", "fuzz", "test-browser", "test-integrations"]
    assert all(f"\n{target}:" in targets for target in called)
