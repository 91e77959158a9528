"""The data directory is its user's alone."""

import os
import stat
from pathlib import Path

import pytest

from clr_tuner.embedded.data_dir import close_to_others


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def make(folder: Path, *names: str) -> Path:
    folder.mkdir()
    folder.chmod(0o755)
    for name in names:
        (folder / name).touch()
        (folder / name).chmod(0o644)
    return folder


def test_a_folder_of_an_older_release_is_closed_and_told(tmp_path: Path) -> None:
    folder, said = make(tmp_path / "data", "clr.sqlite3", "clr.sqlite3-wal"), list[str]()

    close_to_others(folder, say=said.append)
    close_to_others(folder, say=said.append)

    assert mode_of(folder) == 0o700
    assert {mode_of(file) for file in folder.iterdir()} == {0o600}
    assert said == [f"the data directory {folder} was open to others (mode 755); it no longer is"]


def test_an_empty_folder_is_closed_without_a_word(tmp_path: Path) -> None:
    folder = make(tmp_path / "data")

    close_to_others(folder, say=pytest.fail)

    assert mode_of(folder) == 0o700


def test_a_folder_of_other_things_stays_as_it_is_and_is_told(tmp_path: Path) -> None:
    folder, said = make(tmp_path / "project", "README.md"), list[str]()

    close_to_others(folder, say=said.append)

    assert mode_of(folder) == 0o755
    assert len(said) == 1
    assert "choose one of its own with CLR_DATA_DIR" in said[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_stays_as_it_is(tmp_path: Path) -> None:
    folder, said = make(tmp_path / "data", "clr.sqlite3"), list[str]()
    os.chown(folder, 12345, 12345)

    close_to_others(folder, say=said.append)

    assert mode_of(folder) == 0o755
    assert len(said) == 1


def test_no_folder_is_no_fault(tmp_path: Path) -> None:
    close_to_others(tmp_path / "none", say=pytest.fail)
