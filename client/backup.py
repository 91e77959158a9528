"""A copy of the embedded service's database, and of the checkpoints that it knows, while the service may run."""

import os
import shlex
import shutil
import sqlite3
from pathlib import Path

from client.errors import ClientError
from store.addresses import without_secrets
from store.database_file import copy
from store.settings import Settings

CHECKPOINTS = "checkpoints"  # in the data directory, and beside the copy


class NoBackup(ClientError):
    """Nothing was copied, or not everything."""


def back_up(settings: Settings, file: Path, *, checkpoints: bool = False, force: bool = False) -> int:
    """Copy the database to `file`, and its checkpoints to a folder beside it; answers how many of those.

    Each appears whole or not at all. Raises `NoBackup`.
    """
    database = _database(settings, file)
    _refuse_taken(database, file, checkpoints=checkpoints, force=force)
    try:
        listed = copy(database, file)
        return _copy_checkpoints(settings, listed, database, file) if checkpoints else 0
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise NoBackup(f"cannot copy {database} to {file}: {reason}") from None


def _database(settings: Settings, file: Path) -> Path:
    """The SQLite file. Raises `NoBackup` where it is another database, with what to do instead."""
    if settings.database_file is not None:
        return settings.database_file
    url = settings.resolved_database_url
    named = url._replace(password=None)  # which `set` takes for "as it is"
    plain = named.set(drivername="postgresql", query=without_secrets(url.query))
    address = shlex.quote(plain.render_as_string(hide_password=False))
    raise NoBackup(
        "the database is Postgres, which has a tool of its own (it asks for the password, or reads PGPASSWORD):\n"
        f"  pg_dump --format custom --file {shlex.quote(str(file))} {address}\n"
        f"Checkpoints lie in the folder {CHECKPOINTS} of each worker's CLR_DATA_DIR."
    )


def _refuse_taken(database: Path, file: Path, *, checkpoints: bool, force: bool) -> None:
    beside = file.parent / CHECKPOINTS
    if not database.is_file():
        raise NoBackup(f"there is no database {database}: is CLR_DATA_DIR the one of the service?")
    if file.is_dir() or not file.parent.is_dir():
        raise NoBackup(f"{file} must be a file to write, in a folder that is there")
    if file.exists() and file.samefile(database):
        raise NoBackup(f"{file} is the database itself")
    if checkpoints and file.parent.samefile(database.parent):
        raise NoBackup(f"{beside} holds the service's own checkpoints: choose another folder")
    for taken in (file, *([beside] if checkpoints else [])):
        if taken.exists() and not force:
            raise NoBackup(f"{taken} is there already: choose another name, or replace it with --force")


def _copy_checkpoints(settings: Settings, listed: list[str], database: Path, file: Path) -> int:
    """Copy these files to a folder in place of the one beside `file`; how many there were.

    A job that runs may have replaced one meanwhile: then the database is copied again, which knows the new one.
    """
    unfinished = file.with_name(f".{CHECKPOINTS}-{os.getpid()}")
    gone: list[str] = []
    try:
        unfinished.mkdir()
        while (missing := _copy_each(listed, settings.data_dir.resolve(), unfinished)) and missing != gone:
            gone, listed = missing, copy(database, file)
        taken = file.with_name(CHECKPOINTS)
        if taken.exists():
            shutil.rmtree(taken)
        unfinished.replace(taken)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return len(listed) - len(missing)


def _copy_each(listed: list[str], data_dir: Path, to: Path) -> list[str]:
    """Copy what is not there yet; answers which are gone."""
    missing = []
    for path in listed:
        copied = to / Path(path).relative_to(CHECKPOINTS)
        copied.parent.mkdir(parents=True, exist_ok=True)
        try:
            if not copied.exists():
                shutil.copy2(data_dir / path, copied)
        except FileNotFoundError:
            missing.append(path)
    return missing
