"""Files in a bucket of S3, or of a server that speaks as it does; the variables AWS_* tell where and who we are.

Its client starts threads at the first request, so a process that is forked asks nothing.
"""

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import IO
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from store.paths import inside

PATIENCE_S = 60.0  # a checkpoint that cannot be read is waited for, as without it a job starts over
PAUSE_S = 1.0
REST = 9  # so that a bucket that is away costs a training at most a tenth of its time
PROBE = ".clr-tuner"
KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
NO_KEYS = (
    "Missing AccessKeyId|Missing SecretAccessKey|/latest/api/token"  # the last is asked where nothing is set
)


class Unreachable(OSError):
    """The store does not answer, or does not let us."""


class Bucket:
    """Artifacts below `prefix`; every host sees the same. A request that hangs for 20 s has failed."""

    def __init__(self, name: str, prefix: str) -> None:
        self._name, self._prefix = name, prefix
        self._rests_until = 0.0

    @cached_property
    def _store(self) -> S3Store:
        return S3Store(
            self._name,
            prefix=self._prefix or None,
            client_options={
                "allow_http": True,  # where the endpoint's own URL says so
                "connect_timeout": timedelta(seconds=5),
                "read_timeout": timedelta(seconds=20),
                "timeout": timedelta(hours=1),  # a large file may take its time
            },
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=10)},
        )

    def check(self) -> None:
        """Write a file and remove it. Raises OSError with a sentence that tells what is wrong."""
        where = os.environ.get("AWS_ENDPOINT_URL") or "AWS"
        if where != "AWS" and not _is_url(where):  # the library would panic
            raise OSError("AWS_ENDPOINT_URL must be http://HOST:PORT or https://HOST:PORT")
        try:
            obstore.put(self._store, PROBE, b"")
            obstore.delete(self._store, PROBE)
        except FileNotFoundError as error:
            raise OSError(f"{where} has no bucket {self._name} ({_reason(error)})") from None
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise OSError(
                f"{where} lets {KEYS} not write to the bucket {self._name} ({_reason(error)})"
            ) from None
        except BaseError as error:
            if re.search(NO_KEYS, str(error)):
                raise OSError(f"{where} wants credentials: set {KEYS}") from None
            raise OSError(f"{where} does not answer; AWS_ENDPOINT_URL names it ({_reason(error)})") from None

    def write(self, path: str, fill: Callable[[IO[bytes]], object]) -> int:
        """Have a file filled, which is then there whole or not at all; answers its bytes.

        After a failure that took t seconds it fails at once for `REST` x t.
        """
        with tempfile.TemporaryFile() as file:
            fill(file)
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            self._put(path, file)
        return size

    def open(self, path: str) -> IO[bytes]:
        """The file from its beginning. Raises FileNotFoundError where it is not here.

        A store that is away is waited for, `PATIENCE_S` at most.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._fetch(path)
            except Unreachable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE_S)

    def stream(self, path: str) -> tuple[int, Iterator[bytes]]:
        """The bytes of the file, and how many there are. Raises FileNotFoundError where it is not here."""
        with _reaching():
            answer = obstore.get(self._store, inside(path))
        return answer.meta["size"], (bytes(chunk) for chunk in answer.stream())

    def files(self, folder: str) -> list[str]:
        """The paths of all files below."""
        with _reaching():
            return [meta["path"] for meta in obstore.list(self._store, folder and inside(folder)).collect()]

    def remove(self, path: str) -> None:
        """Remove the file, if it is there."""
        with _reaching():
            obstore.delete(self._store, inside(path))

    def remove_folder(self, folder: str) -> None:
        """Remove all files below."""
        paths = self.files(inside(folder))
        with _reaching():
            obstore.delete(self._store, paths)

    def _put(self, path: str, file: IO[bytes]) -> None:
        began = time.monotonic()
        if began < self._rests_until:
            raise Unreachable("the bucket did not answer a moment ago")
        try:
            with _reaching():
                obstore.put(self._store, inside(path), file)
        except Unreachable:
            failed = time.monotonic()
            self._rests_until = failed + REST * (failed - began)
            raise

    def _fetch(self, path: str) -> IO[bytes]:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by who asked for it
        try:
            with _reaching():
                for chunk in self.stream(path)[1]:
                    file.write(chunk)
        except OSError:
            file.close()
            raise
        file.seek(0)
        return file


@contextmanager
def _reaching() -> Iterator[None]:
    """Errors of the library as OSErrors, in a sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(_reason(error)) from None
    except BaseError as error:
        raise Unreachable(_reason(error)) from None


def _is_url(address: str) -> bool:
    try:
        url = urlsplit(address)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def _reason(error: Exception) -> str:
    """What the store said, else what became of the request, without the library's own debugging."""
    said = str(error).partition("\n\nDebug source")[0]
    if answer := re.search(r"<Code>(.*?)</Code>\s*<Message>(.*?)</Message>", said, re.DOTALL):
        return f"{answer[1]}: {answer[2]}"
    return re.sub(r" in [\d.]+\w+(, after .*?)? +- ", ": ", said).strip()
