"""A new plugin is written whole, under a name that can live, and over nothing."""

import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from zipfile import ZipFile

import pytest
from typer.testing import CliRunner

from clr_tuner.commands.cli import main
from clr_tuner.plugin.plugin import TEMPLATES, write_plugin
from worker.check.__main__ import check

ROOT = Path(__file__).parents[3]


def test_a_new_plugin_is_a_package_with_a_module_its_test_and_a_readme(tmp_path: Path) -> None:
    written = write_plugin("two-rings", tmp_path / "deep" / "down")

    folder = tmp_path / "deep" / "down" / "two-rings"
    assert written == [
        folder / name for name in ("pyproject.toml", "two_rings.py", "test_two_rings.py", "README.md")
    ]
    assert 'two-rings = "two_rings:TwoRingsWorkload"' in (folder / "pyproject.toml").read_text()
    assert not any("$" in file.read_text() for file in written)


def test_what_was_written_and_what_comes_next_is_printed(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["workload", "new", "two-rings", "--into", str(tmp_path)])

    assert result.exit_code == 0
    assert f"wrote {tmp_path}/two-rings/two_rings.py" in result.stdout
    assert f"pip install {tmp_path}/two-rings" in result.stdout
    assert "clr-tuner workload check two-rings" in result.stdout


@pytest.mark.parametrize("name", ["two-rings", "a", "speech-commands-small"])
def test_what_is_written_is_in_house_format(tmp_path: Path, name: str) -> None:
    folder = write_plugin(name, tmp_path)[0].parent
    config = f"--config={ROOT / 'pyproject.toml'}"

    for command in (["check"], ["format", "--check"]):
        linted = subprocess.run(
            [Path(sys.executable).with_name("ruff"), *command, "--no-cache", config, "."],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert linted.returncode == 0, linted.stdout


LAYERS = "                nn.ReLU(),\n"
STAGED = "StagedBatches(inputs[:TRAIN], targets[:TRAIN], batch_size=batch_size, seed=seed)"
CHANGES = {
    "nothing": {},
    "dropout": {LAYERS: LAYERS + "nn.Dropout(0.5),\n"},
    "batch norm": {LAYERS: "nn.BatchNorm1d(params.hidden), nn.ReLU(),\n"},
    "a lazy layer": {"nn.Linear(params.hidden, 2)": "nn.LazyLinear(2)"},
    "a loader": {
        STAGED: "DataLoader(TensorDataset(inputs[:TRAIN], targets[:TRAIN]), batch_size, shuffle=True)",
        "from torch import Tensor, nn": "from torch import Tensor, nn\n"
        "from torch.utils.data import DataLoader, TensorDataset",
    },
    "one output": {
        "nn.Linear(params.hidden, 2)": "nn.Linear(params.hidden, 1)",
        "nn.CrossEntropyLoss()": "nn.BCEWithLogitsLoss()",
        "in rings())": "in rings())\n        targets = targets[:, None].float()",
    },
    "a regression": {
        "nn.Linear(params.hidden, 2)": "nn.Linear(params.hidden, 1)",
        "nn.CrossEntropyLoss()": "nn.MSELoss()",
        "in rings())": "in rings())\n        targets = targets[:, None].float()",
        "classifies=True": "classifies=False",
    },
    "a parameter without a default": {
        "hidden: int = Field(default=32, ": "hidden: int = Field(",
        "WORKLOAD.Params()": "WORKLOAD.Params(hidden=32)",
    },
}


@pytest.fixture
def forget() -> Iterator[None]:
    """Other tests write a two_rings of their own."""
    yield
    sys.modules.pop("two_rings", None)


@pytest.mark.usefixtures("forget")
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
@pytest.mark.parametrize("changed", CHANGES)
def test_its_own_test_and_the_check_bear_what_one_changes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    written, changes = write_plugin("two-rings", tmp_path), CHANGES[changed]
    texts = {file: file.read_text() for file in written}
    assert all(any(old in text for text in texts.values()) for old in changes)
    for file, text in texts.items():
        file.write_text(reduce(lambda done, old: done.replace(old, changes[old]), changes, text))
    info = tmp_path / "two-rings" / "two_rings-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: two-rings\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[clr_tuner.workloads]\ntwo-rings = two_rings:TwoRingsWorkload\n")
    monkeypatch.syspath_prepend(str(info.parent))
    said: list[str] = []

    tests = runpy.run_path(str(info.parent / "test_two_rings.py"))
    for name in [name for name in tests if name.startswith("test_")]:
        tests[name]()
    passed = check("two-rings", {"hidden": 32}, num_steps=10, say=said.append)

    assert passed, said


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Two-Rings", "lower-case letters, digits and single hyphens"),
        ("two_rings", "lower-case"),
        ("2-rings", "a letter first"),
        ("two--rings", "single hyphens"),
        ("rings-", "single hyphens"),
        ("../rings", "lower-case"),
        ("", "lower-case"),
        ("r" * 61, "at most 60"),
        ("class", "a word of Python"),
        ("json", "a module that is installed here"),
        ("setup", "choose another name"),
        ("digits-mlp", "a workload digits-mlp is installed here already"),
    ],
)
def test_a_name_that_cannot_live_is_refused_with_the_reason(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_plugin(name, tmp_path)

    assert CliRunner().invoke(main, ["workload", "new", name, "--into", str(tmp_path)]).exit_code == 2
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "two-rings").mkdir()

    result = CliRunner().invoke(main, ["workload", "new", "two-rings", "--into", str(tmp_path)])

    assert result.exit_code == 2
    assert not list((tmp_path / "two-rings").iterdir())


def test_a_place_where_nothing_can_be_written_is_a_wrong_argument(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    result = CliRunner().invoke(main, ["workload", "new", "two-rings", "--into", str(tmp_path / "file")])

    assert result.exit_code == 2
    assert "Not a directory" in result.stderr


def test_the_wheel_holds_the_templates(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "clr_tuner", tmp_path / "clr_tuner", ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "pip", "wheel", "--no-index", "--no-deps", "--no-build-isolation"]

    subprocess.run([*build, "--wheel-dir", tmp_path / "wheel", tmp_path], check=True, capture_output=True)

    [wheel] = (tmp_path / "wheel").iterdir()
    assert set(ZipFile(wheel).namelist()) >= {
        f"clr_tuner/plugin/templates/{name}" for name in TEMPLATES.values()
    }
