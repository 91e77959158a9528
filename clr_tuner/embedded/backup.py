"""A copy of the embedded service's database, and of the checkpoints that it knows, while the service may run."""

import os
import shlex
import shutil
import sqlite3
from pathlib import Path

from clr_tuner.errors import ClientError
from store.addresses import masked, without_secrets
from store.artifacts import find_artifacts
from store.database_file import checkpoints_of, copy
from store.folder import Folder
from store.settings import Settings

CHECKPOINTS = "checkpoints"  # in the artifacts' folder, and beside the copy
OF_SQLITE = (
    "-wal",
    "-shm",
    "-journal",
)  # what SQLite keeps beside a database; a copy would be opened with it


class NoBackup(ClientError):
    """Nothing was copied, or not everything."""


def back_up(settings: Settings, file: Path, *, checkpoints: bool = False, force: bool = False) -> int:
    """Copy the database to `file`, and its checkpoints to a folder beside it; answers how many of those.

    Each appears whole or not at all. Raises `NoBackup`.
    """
    database = _find_database(settings, file)
    artifacts = _find_folder(settings) if checkpoints else None
    _refuse_taken(artifacts, database, file, force=force)
    try:
        copy(database, file)
        return _copy_checkpoints(artifacts, database, file) if artifacts else 0
    except (OSError, sqlite3.Error) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise NoBackup(f"cannot copy {database} to {file}: {reason}") from None


def _find_database(settings: Settings, file: Path) -> Path:
    """The SQLite file. Raises `NoBackup` where it is another database, with what to do instead."""
    if settings.database_file is not None:
        return settings.database_file
    url = settings.resolved_database_url
    without_password = url._replace(password=None)  # which `set` takes for "as it is"
    plain = without_password.set(drivername="postgresql", query=without_secrets(url.query))
    address = shlex.quote(plain.render_as_string(hide_password=False))
    raise NoBackup(
        "the database is Postgres, which has a tool of its own (it asks for the password, or reads PGPASSWORD):\n"
        f"  pg_dump --format custom --file {shlex.quote(str(file))} {address}\n"
        f"Checkpoints lie in the folder {CHECKPOINTS} of CLR_ARTIFACTS_URL, or of each worker's CLR_DATA_DIR."
    )


def _find_folder(settings: Settings) -> Path:
    """Where the folder of checkpoints lies. Raises `NoBackup` for a bucket, with what to do instead."""
    artifacts = find_artifacts(settings)
    if not isinstance(artifacts, Folder):
        raise NoBackup(
            f"checkpoints lie in {masked(settings.artifacts_url)}: copy them with the bucket's own tools, "
            "and the database without --checkpoints"
        )
    return artifacts.root.resolve()


def _refuse_taken(artifacts: Path | None, database: Path, file: Path, *, force: bool) -> None:
    if not database.is_file():
        raise NoBackup(f"there is no database {database}: is CLR_DATA_DIR the one of the service?")
    if not file.parent.is_dir() or (file.exists() and not file.is_file()):
        raise NoBackup(f"{file} must be a file to write, in a folder that is there")
    if file.exists() and file.samefile(database):
        raise NoBackup(f"{file} is the database itself")
    for path in [file, *(file.with_name(file.name + ending) for ending in OF_SQLITE)]:
        if path.name.endswith(OF_SQLITE) and (path == file or path.exists()):
            raise NoBackup(
                f"{path} is SQLite's, part of a database that is or was in use: choose another name"
            )
    beside = file.parent / CHECKPOINTS
    if artifacts and beside.resolve() == (artifacts / CHECKPOINTS).resolve():
        raise NoBackup(f"{beside} holds the service's own checkpoints: choose another folder")
    if artifacts and beside.exists() and (beside.is_symlink() or not beside.is_dir()):
        raise NoBackup(f"{beside} is no folder that can be replaced: choose another")
    for target in (file, *([beside] if artifacts else [])):
        if target.exists() and not force:
            raise NoBackup(f"{target} is there already: choose another name, or replace it with --force")


def _copy_checkpoints(artifacts: Path, database: Path, file: Path) -> int:
    """Copy the files that the copy knows to a folder in place of the one beside `file`; how many there were.

    A job that runs may have replaced one meanwhile: then the database is copied again, which knows the new one.
    """
    unfinished = file.with_name(f".{CHECKPOINTS}-{os.getpid()}")
    paths, missing_before = checkpoints_of(file), list[str]()
    try:
        unfinished.mkdir()
        while (missing := _copy_each(paths, artifacts, unfinished)) and missing != missing_before:
            copy(database, file)
            missing_before, paths = missing, checkpoints_of(file)
        folder = file.with_name(CHECKPOINTS)
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return len(paths) - len(missing)


def _copy_each(paths: list[str], artifacts: Path, to: Path) -> list[str]:
    """Copy what is not there yet; answers which are gone."""
    missing = []
    for path in paths:
        target = to / Path(path).relative_to(CHECKPOINTS)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if not target.exists():
                shutil.copy2(artifacts / path, target)
        except FileNotFoundError:
            missing.append(path)
    return missing
