"""Where the database lies, whatever the folder is called."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import ValidationError

from migrations.schema import is_current, upgrade
from store.settings import Settings

NAMES = [
    b"what?now=1",
    b"feature%2Flr",
    b"issue#7",
    b"50% off",
    b"a 'quoted\" name",
    "Lernraten-π".encode(),
    b"two\nlines",
    b"no\xfftext",
    b"file:x?mode=memory",
    b"user:pass@host",
]


@pytest.mark.parametrize("name", NAMES)
def test_the_database_lies_in_the_data_directory_whatever_its_name(name: bytes, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(name)
    folder.mkdir()
    settings = Settings(data_dir=folder, database_url="")

    upgrade(settings.resolved_database_url)

    assert is_current(settings.resolved_database_url)
    assert [file.name for file in folder.iterdir()] == ["clr.sqlite3"]
    assert list(tmp_path.iterdir()) == [folder]
    with closing(sqlite3.connect(folder / "clr.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_a_log_level_is_one_that_every_process_knows() -> None:
    assert Settings(log_level="debug").log_level == "DEBUG"
    with pytest.raises(ValidationError, match="'DEBUG', 'INFO', 'WARNING', 'ERROR' or 'CRITICAL'"):
        Settings(log_level="verbose")


def test_a_tilde_is_the_home_that_no_shell_put_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert Settings(data_dir=Path("~/clr")).data_dir == tmp_path / "clr"
    assert Settings(data_dir=Path("~clr")).data_dir == Path("~clr")


def test_a_variable_is_read_under_its_old_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLR_SWEEP_S", "7")

    assert Settings().reap_s == 7


def test_the_new_name_of_a_variable_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLR_SWEEP_S", "7")
    monkeypatch.setenv("CLR_REAP_S", "8")

    assert Settings().reap_s == 8
