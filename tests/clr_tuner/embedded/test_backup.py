"""`clr-tuner backup`: from the command line, on real files."""

import os
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import URL
from typer.testing import CliRunner, Result

from clr_tuner.commands.cli import main
from store import checkpoints
from store.checkpoints import NewCheckpoint
from store.database import Database
from store.settings import get_settings
from tests.jobs import queue

POSTGRES = "postgresql+psycopg://clr:hunter22@db:5432/clr?sslmode=require&sslpassword=hunter22"


@pytest.fixture
def data_dir(migrated_sqlite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with a database, as the settings name it."""
    folder = tmp_path / "feature%2Flr?"
    folder.mkdir()
    (folder / "clr.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    monkeypatch.setenv("CLR_DATA_DIR", str(folder))
    monkeypatch.setenv("CLR_DATABASE_URL", "")
    get_settings.cache_clear()
    monkeypatch.setattr("clr_tuner.embedded.settings.get_settings", get_settings.__wrapped__)
    return folder


@pytest.fixture
def away(data_dir: Path) -> Path:
    """A folder to copy to."""
    folder = data_dir.parent / "away"
    folder.mkdir()
    return folder


def backup(*words: object) -> Result:
    return CliRunner().invoke(main, ["backup", *map(str, words)])


def add_checkpoint(data_dir: Path, *, written: bool = True) -> str:
    """A job with a checkpoint; its path under the data directory."""
    database = Database(get_settings.__wrapped__().resolved_database_url)
    job = queue(database, kind="training_job")
    with database.write() as session:
        path = f"checkpoints/{job.id}/1/step-9.pt"
        new = NewCheckpoint(step=9, path=path, size_bytes=7, hostname="host", cycle=None, best=False)
        checkpoints.publish(session, job.id, 1, new)
    database.close()
    if written:
        (data_dir / path).parent.mkdir(parents=True)
        (data_dir / path).write_text("weights")
    return path


def jobs_in(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        count: int = connection.execute("SELECT count(*) FROM jobs").fetchone()[0]
    return count


def test_a_backup_is_one_file_that_holds_every_job(data_dir: Path, away: Path) -> None:
    add_checkpoint(data_dir)

    done = backup(away / "clr.sqlite3")

    assert done.exit_code == 0, done.output
    assert [file.name for file in away.iterdir()] == ["clr.sqlite3"]
    assert jobs_in(away / "clr.sqlite3") == 1


def test_checkpoints_lie_beside_the_copy_as_in_a_data_directory(data_dir: Path, away: Path) -> None:
    path = add_checkpoint(data_dir)
    add_checkpoint(data_dir, written=False)  # lost with another disk
    (data_dir / "checkpoints" / "stray.unfinished").write_text("of nobody")

    done = backup(away / "clr.sqlite3", "--checkpoints")

    assert "with 1 checkpoint file" in done.output
    assert sorted(file.name for file in away.iterdir()) == ["checkpoints", "clr.sqlite3"]
    assert [file for file in away.rglob("*") if file.is_file()] == [away / "clr.sqlite3", away / path]
    assert (away / path).read_text() == "weights"


def test_what_is_there_is_replaced_only_when_told(data_dir: Path, away: Path) -> None:
    first = backup(away / "clr.sqlite3", "--checkpoints")
    path = add_checkpoint(data_dir)

    refused = [backup(away / "clr.sqlite3"), backup(away / "other", "--checkpoints")]
    before = jobs_in(away / "clr.sqlite3")
    forced = backup(away / "clr.sqlite3", "--checkpoints", "--force")

    assert (first.exit_code, forced.exit_code, before) == (0, 0, 0)
    assert [(each.exit_code, "--force" in each.output) for each in refused] == [(1, True)] * 2
    assert (jobs_in(away / "clr.sqlite3"), (away / path).read_text()) == (1, "weights")


def test_the_database_itself_is_never_written_to(data_dir: Path) -> None:
    before = (data_dir / "clr.sqlite3").read_bytes()

    itself = backup(data_dir / "clr.sqlite3", "--force")
    beside = backup(data_dir / "copy.sqlite3", "--checkpoints", "--force")

    assert (itself.exit_code, "the database itself" in itself.output) == (1, True)
    assert (beside.exit_code, "own checkpoints" in beside.output) == (1, True)
    assert (data_dir / "clr.sqlite3").read_bytes() == before


@pytest.mark.parametrize("file", ["", "nowhere/clr.sqlite3"])
def test_a_place_that_is_no_file_is_refused(file: str, away: Path) -> None:
    refused = backup(away / file)

    assert refused.exit_code == 1
    assert "must be a file to write" in refused.output


@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
def test_what_sqlite_keeps_beside_a_database_is_neither_replaced_nor_joined(
    ending: str, data_dir: Path, away: Path
) -> None:
    (away / f"clr.sqlite3{ending}").write_text("what a killed service left")

    joined = backup(away / "clr.sqlite3", "--force")
    replaced = backup(data_dir / f"clr.sqlite3{ending}", "--force")

    for refused in (joined, replaced):
        assert (refused.exit_code, "is SQLite's" in refused.output) == (1, True)
    assert len(list(away.iterdir())) == len(list(data_dir.iterdir())) == 1


def test_checkpoints_that_a_service_uses_are_not_replaced_wherever_its_database_lies(
    data_dir: Path, away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = URL.create("sqlite", database=str((data_dir / "clr.sqlite3").rename(away / "other")))
    monkeypatch.setenv("CLR_DATABASE_URL", url.render_as_string())

    refused = backup(data_dir / "copy", "--checkpoints", "--force")

    assert (refused.exit_code, "own checkpoints" in refused.output) == (1, True)


def test_what_is_no_file_or_folder_is_not_replaced(data_dir: Path, away: Path) -> None:
    os.mkfifo(away / "pipe")
    (away / "checkpoints").symlink_to(data_dir)

    pipe = backup(away / "pipe", "--force")
    link = backup(away / "copy", "--checkpoints", "--force")

    assert "must be a file to write" in pipe.output
    assert "no folder that can be replaced" in link.output
    assert sorted(file.name for file in away.iterdir()) == ["checkpoints", "pipe"]


def test_a_database_from_before_checkpoints_is_copied_too(data_dir: Path, away: Path) -> None:
    with closing(sqlite3.connect(data_dir / "clr.sqlite3")) as connection:
        connection.execute("DROP TABLE checkpoints")

    assert backup(away / "old").exit_code == 0


def test_a_data_directory_without_a_database_is_told(data_dir: Path, away: Path) -> None:
    (data_dir / "clr.sqlite3").unlink()

    refused = backup(away / "clr.sqlite3")

    assert refused.exit_code == 1
    assert "is CLR_DATA_DIR the one of the service?" in refused.output
    assert not list(away.iterdir())


def test_postgres_is_left_to_pg_dump_and_no_password_is_told(
    away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLR_DATABASE_URL", POSTGRES)

    refused = backup(away / "a copy")

    assert refused.exit_code == 1
    (line,) = [line for line in refused.output.splitlines() if "pg_dump" in line]
    address = "postgresql://clr@db:5432/clr?sslmode=require"
    assert shlex.split(line) == ["pg_dump", "--format", "custom", "--file", str(away / "a copy"), address]
    assert "hunter22" not in refused.output
