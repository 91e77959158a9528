"""Child processes under one parent: restarted when they die, stopped in order, never left behind.

Each child leads a session of its own (so the terminal's Ctrl-C reaches the parent alone) and dies with the
parent, even one killed -9: PR_SET_PDEATHSIG, which Linux ties to the *thread* that started the child, so
`start` and `tend` belong in the main thread. Other systems lack it (not tried there).
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
PRIVATE = 0o077  # umask: what our processes write is for this user alone
LOG_BYTES = 10_000_000  # a larger log is put aside when its process is started
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, a service manager's stop, a closed terminal
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a dead child stays dead: `first_s`, doubling to `limit_s`; a child that lived `healthy_s`
    starts over."""

    first_s: float = 0.5
    limit_s: float = 30.0
    healthy_s: float = 60.0

    def after(self, previous_s: float, *, lived_s: float) -> float:
        """The pause before the next start; `previous_s`: the pause before the life that ended, 0: none."""
        if previous_s == 0 or lived_s >= self.healthy_s:
            return self.first_s
        return min(self.limit_s, 2 * previous_s)


class Child:
    """One process and its log file.

    stop_s: how long it may take to end after SIGTERM before its whole process group is killed. needed: by the
    other children, so that it is stopped after them. inherits: file descriptors. reads: what its stdin holds, which
    is no place where others could see it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        stop_s: float = 2.0,
        needed: bool = False,
        inherits: Sequence[int] = (),
        reads: bytes = b"",
    ) -> None:
        self.name = name
        self.log = log
        self.needed = needed
        self._command, self._env, self._stop_s = command, env, stop_s
        self._inherits, self._reads = inherits, reads
        self._process: subprocess.Popen[bytes] | None = None
        self.started_at = self._killed_at = 0.0  # monotonic

    def start(self) -> None:
        """Start the process; its output is appended to the log, one that grew large becomes `NAME.log.1`."""
        if self.log.is_file() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(f"{self.log}.1")
        with open(self.log, "ab", opener=open_private) as log, _holding(self._reads) as stdin:
            self._process = subprocess.Popen(
                self._command,
                env=self._env,
                stdin=stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=self._inherits,
                start_new_session=True,
                umask=PRIVATE,
                preexec_fn=_die_with(os.getpid()),
            )
        self.started_at = time.monotonic()

    @property
    def pid(self) -> int:
        """The process's id, its process group's too."""
        assert self._process is not None, "not started"
        return self._process.pid

    def exit_code(self) -> int | None:
        """The exit code, as subprocess has it: None while it runs (or was stopped by us), negative for a signal."""
        return None if self._process is None else self._process.poll()

    def wait(self) -> int:
        """Wait for the process to end by itself; its exit code."""
        assert self._process is not None, "not started"
        return self._process.wait()

    def ask_to_stop(self) -> None:
        """Ask the process to end, without waiting."""
        self._killed_at = time.monotonic() + self._stop_s
        if self._process is not None:
            self._process.terminate()

    def stop(self) -> None:
        """Wait for the process that was asked to end, then kill whatever is left of its group."""
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, self._killed_at - time.monotonic()))
        self.kill()

    def hurry(self) -> None:
        """Kill the process and its group, without waiting: a signal's handler may do it."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kill the process and its group at once."""
        self.hurry()
        if self._process is not None:
            self._process.wait()
            self._process = None  # its id may soon be another's


class Supervisor:
    """Keeps children running; `say` hears one line about each death."""

    def __init__(self, say: Callable[[str], None], backoff: Backoff | None = None) -> None:
        self.children: list[Child] = []
        self._say = say
        self._backoff = backoff or Backoff()
        self._pause_s: dict[str, float] = {}
        self._start_at: dict[str, float] = {}  # children that are down, and when they come back

    def start(self, child: Child) -> None:
        """Start a child and keep it running from now on."""
        self.children.append(child)
        child.start()

    def tend(self) -> None:
        """Look once at every child: note who died, start who has waited long enough."""
        now = time.monotonic()
        for child in self.children:
            if child.name in self._start_at:
                if now >= self._start_at[child.name]:
                    del self._start_at[child.name]
                    child.start()
            elif (code := child.exit_code()) is not None:
                child.kill()  # what it may have left in its group
                lived_s = now - child.started_at
                pause_s = self._backoff.after(self._pause_s.get(child.name, 0.0), lived_s=lived_s)
                self._pause_s[child.name] = pause_s
                self._start_at[child.name] = now + pause_s
                self._say(
                    f"{child.name} ended ({describe_exit(code)}); starting it again in {pause_s:g} s. "
                    f"Its log: {child.log}"
                )

    def stop(self) -> None:
        """Stop the children, all at once, and then those that they needed; after an error, kill every one."""
        try:
            for needed in (False, True):
                stopping = [child for child in self.children if child.needed == needed]
                for child in stopping:
                    child.ask_to_stop()
                for child in stopping:
                    child.stop()
        finally:
            for child in self.children:
                child.kill()

    def hurry(self) -> None:
        """Kill every child, without waiting: `stop`, which a signal's handler does this to, then ends soon."""
        for child in self.children:
            child.hurry()


@contextmanager
def on_end(do: Callable[[], None]) -> Iterator[None]:
    """Do this at each of the signals that ask us to end; those that are ignored stay so. In the main thread."""
    heard = [number for number in ENDS if signal.getsignal(number) != signal.SIG_IGN]
    before = [signal.signal(number, lambda *_: do()) for number in heard]
    try:
        yield
    finally:
        for number, handler in zip(heard, before, strict=True):
            signal.signal(number, handler)


def describe_exit(code: int) -> str:
    """An exit code in words."""
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def open_private(path: str, flags: int) -> int:
    """An opener of files that are for this user alone."""
    return os.open(path, flags, 0o600)


def _holding(text: bytes) -> IO[bytes]:
    """A pipe's end to read the text from, which is short enough to wait in it."""
    reading, writing = os.pipe()
    os.write(writing, text)
    os.close(writing)
    return os.fdopen(reading, "rb")


def _die_with(parent: int) -> Callable[[], None]:
    def tie() -> None:
        if _prctl is not None:
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return tie
