"""The SQLite file as a file: whole after a kill, copied while it is written."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest

from store.database_file import copy, make_whole

WRITE_AND_WAIT = """
import sqlite3, sys, time
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("PRAGMA journal_mode=WAL")
held.execute("INSERT INTO counters VALUES ('kept', '', 1)")
print("written", flush=True)
time.sleep(60)
"""


@pytest.fixture
def file(migrated_sqlite: Path, tmp_path: Path) -> Path:
    """A database of the service."""
    file = tmp_path / "clr.sqlite3"
    file.write_bytes(migrated_sqlite.read_bytes())
    return file


def counted(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        count: int = connection.execute("SELECT count(*) FROM counters").fetchone()[0]
    return count


UNDONE = """
import sqlite3, sys, time
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("PRAGMA journal_mode=DELETE")
held.execute(f"PRAGMA cache_size={sys.argv[2]}")
held.execute("BEGIN")
held.executemany("INSERT INTO counters VALUES (?, '', 1)", [(str(number),) for number in range(10_000)])
print("written", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("cache_pages", [1, 10_000])  # written to the file meanwhile, or not yet
def test_a_killed_transaction_is_taken_back_and_leaves_no_journal(file: Path, cache_pages: int) -> None:
    before = counted(file)
    command = [sys.executable, "-c", UNDONE, str(file), str(cache_pages)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.kill()
    assert file.with_name("clr.sqlite3-journal").exists()

    make_whole(file)

    assert [left.name for left in file.parent.glob("clr.sqlite3*")] == ["clr.sqlite3"]
    assert counted(file) == before


def test_a_killed_process_leaves_a_file_that_is_made_whole(file: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITE_AND_WAIT, str(file)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.kill()
    assert file.with_name("clr.sqlite3-wal").stat().st_size

    make_whole(file)

    assert [left.name for left in file.parent.iterdir()] == ["clr.sqlite3"]
    assert counted(file) == 1


def test_a_reader_that_is_up_to_date_does_not_keep_the_file_from_being_whole(file: Path) -> None:
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as writer,
        closing(sqlite3.connect(file, isolation_level=None)) as reader,
    ):
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("INSERT INTO counters VALUES ('kept', '', 1)")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM counters").fetchone()

        make_whole(file)

        alone = file.with_name("alone")
        alone.write_bytes(file.read_bytes())
        writer.execute("INSERT INTO counters VALUES ('later', '', 1)")
        with pytest.raises(sqlite3.OperationalError, match="reads what was in it before"):
            make_whole(file)
    assert counted(alone) == 1


def test_nothing_is_made_whole_where_there_is_no_database(tmp_path: Path) -> None:
    make_whole(tmp_path / "clr.sqlite3")

    assert not list(tmp_path.iterdir())


@pytest.fixture
def busy(file: Path) -> Iterator[Path]:
    """A database that another thread writes to without a pause."""
    stopping, began = Event(), Event()

    def write() -> None:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            number = 0
            while not stopping.is_set():
                connection.execute("INSERT INTO counters VALUES ('n', ?, 1)", (str(number),))
                number += 1
                began.set()

    thread = Thread(target=write)
    thread.start()
    began.wait()
    yield file
    stopping.set()
    thread.join()


def test_a_copy_of_a_database_in_use_is_whole_and_one_file(busy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()

    copy(busy, folder / "a.sqlite3")
    copy(busy, folder / "b.sqlite3")

    assert sorted(file.name for file in folder.iterdir()) == ["a.sqlite3", "b.sqlite3"]
    assert 0 < counted(folder / "a.sqlite3") <= counted(folder / "b.sqlite3")


def test_a_copy_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    broken, kept = tmp_path / "clr.sqlite3", tmp_path / "copies" / "kept"
    broken.write_bytes(b"no database at all, but long enough to be read as one" * 100)
    kept.parent.mkdir()
    kept.write_text("the copy before")

    with pytest.raises(sqlite3.DatabaseError):
        copy(broken, kept)

    assert [file.read_text() for file in kept.parent.iterdir()] == ["the copy before"]
