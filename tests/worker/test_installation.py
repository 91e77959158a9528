"""What is installed, told without loading it."""

import os
import sys
from pathlib import Path

import pytest

from worker.installation import installation


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution with a workload that nobody could load."""
    (tmp_path / "plugged").mkdir()
    (tmp_path / "plugged" / "__init__.py").write_text("raise SystemExit('loaded')\n")
    (tmp_path / "plugged" / "deeper.py").write_text("1 / 0\n")
    install(tmp_path, "1.0", "plugged.deeper:Workload")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(folder: Path, version: str, *values: str) -> None:
    information = folder / "plugged-1.0.dist-info"
    information.mkdir(exist_ok=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: plugged\nVersion: {version}\n")
    entries = [f"plugged-{number} = {value}" for number, value in enumerate(values)]
    (information / "entry_points.txt").write_text("\n".join(["[clr_tuner.workloads]", *entries]))


def test_an_optimizer_counts_as_a_workload_does(plugin: Path) -> None:
    before = installation()

    entries = plugin / "plugged-1.0.dist-info" / "entry_points.txt"
    entries.write_text(f"{entries.read_text()}\n[clr_tuner.optimizers]\nown = plugged.deeper:Optimizer\n")

    assert installation() != before


def test_it_is_the_same_as_long_as_nothing_changes(plugin: Path) -> None:
    assert installation() == installation()
    assert "plugged" not in sys.modules


def test_a_new_version_changes_it(plugin: Path) -> None:
    before = installation()

    install(plugin, "1.1", "plugged.deeper:Workload")

    assert installation() != before


def test_another_workload_changes_it(plugin: Path) -> None:
    before = installation()

    install(plugin, "1.0", "plugged.deeper:Workload", "plugged.deeper:Another")

    assert installation() != before


def test_a_source_that_was_edited_changes_it(plugin: Path) -> None:
    before = installation()

    os.utime(plugin / "plugged" / "deeper.py", (1, 1))

    assert installation() != before


def test_a_plugin_that_goes_changes_it(plugin: Path) -> None:
    before = installation()

    (plugin / "plugged-1.0.dist-info" / "entry_points.txt").unlink()

    assert installation() != before


def test_a_module_that_is_gone_keeps_nothing_up(plugin: Path) -> None:
    install(plugin, "1.0", "vanished:Workload", ".broken:Workload", "no module!", ":Workload")

    assert len(installation()) == 64
