"""A thread that keeps the service up to date with what this process measures; training never waits for it."""

import logging
import warnings
from pathlib import Path
from threading import Event, Thread

from clr_tuner.errors import ClientError, Refused, Unreachable
from clr_tuner.here.upload import Upload

log = logging.getLogger(__name__)

PERIOD_S = 1.0  # from one word to the next
LONGEST_PERIOD_S = 30.0  # while nobody answers
PATIENCE_S = 10.0  # at the end, until what was not sent is kept in a file


class Sender:
    """Sends an upload while it grows."""

    def __init__(self, upload: Upload, *, folder: Path) -> None:
        self._upload, self._folder = upload, folder
        self._closing = Event()
        self._failure: ClientError | None = None
        self._thread = Thread(target=self._keep_sending, name="reporting", daemon=True)
        self._thread.start()

    def close(self) -> Path | None:
        """Send the rest; the file that keeps it where that fails, with a warning that says what to do.

        A file that cannot be written is a warning too: what the loop itself has goes on.
        """
        self._closing.set()
        self._thread.join(PATIENCE_S)
        if self._upload.is_complete or self._upload.cancelled:
            return None
        why = self._failure or f"{self._upload.connection.shown} did not answer in time"
        told = f"not all that was measured could be reported ({why})"
        try:
            file = self._upload.keep(self._folder)
        except OSError as error:
            warnings.warn(f"{told}, nor kept: {error}", stacklevel=2)
            return None
        warnings.warn(f"{told}: it is kept in {file}; send it with `clr-tuner upload {file}`", stacklevel=2)
        return file

    def _keep_sending(self) -> None:
        period_s = PERIOD_S
        while True:
            closing = self._closing.wait(period_s)
            try:
                self._upload.push()
                period_s = PERIOD_S
            except (Unreachable, Refused) as error:
                if (
                    isinstance(error, Refused)
                    and error.status not in (429, 503)
                    and error.code != "sweep_held"
                ):
                    self._give_up(error)
                    return
                if period_s == PERIOD_S:
                    log.warning("%s; what is measured is kept and sent later", str(error).partition(";")[0])
                period_s = min(LONGEST_PERIOD_S, 2 * period_s)
                self._failure = error
            except ClientError as error:
                self._give_up(error)
                return
            if closing or self._upload.cancelled:
                return

    def _give_up(self, error: ClientError) -> None:
        self._failure = error
        log.warning("reporting ends: %s", error)


class PromptSender(Sender):
    """One that makes the job before anything is measured. Raises `ClientError` where that fails."""

    def __init__(self, upload: Upload, *, folder: Path) -> None:
        upload.push()
        super().__init__(upload, folder=folder)


class Keeper:
    """Keeps all of an upload in a file, and sends nothing."""

    def __init__(self, upload: Upload, *, folder: Path) -> None:
        self._upload, self._folder = upload, folder

    def close(self) -> Path:
        """The file."""
        return self._upload.keep(self._folder)
