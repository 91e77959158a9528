"""`python -m api.pool_process`: does one piece of work after the other, as api/pool.py asks for it at stdin."""

import os
import pickle
import signal
import sys
from typing import Any, BinaryIO

from store.database import Database

LENGTH = 8  # as in api/pool.py, which this process need not load
NICE = 5  # whoever asks how a job stands goes first, and so do jobs


def main() -> None:
    """Answer until stdin ends, which it does with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C: the parent ends us
    os.nice(NICE)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever is printed is no answer
    database = Database(_read(sys.stdin.buffer))
    try:
        while True:
            work, args, kwargs = _read(sys.stdin.buffer)
            try:
                packed = _pack(True, work(database, *args, **kwargs))
            except Exception as error:
                packed = _pack(False, error)
            answers.write(len(packed).to_bytes(LENGTH, "little"))
            answers.write(packed)
            answers.flush()
    except (EOFError, BrokenPipeError):
        os._exit(0)


def _read(source: BinaryIO) -> Any:
    size = int.from_bytes(_read_exactly(source, LENGTH), "little")
    return pickle.loads(_read_exactly(source, size))


def _read_exactly(source: BinaryIO, size: int) -> bytes:
    read = source.read(size)
    if len(read) < size:
        raise EOFError
    return read


def _pack(succeeded: bool, answer: Any) -> bytes:
    try:
        packed = pickle.dumps((succeeded, answer))
        if not succeeded:
            pickle.loads(packed)  # some exceptions can be written and not read
    except Exception as error:
        return pickle.dumps((False, RuntimeError(f"{answer!r} cannot be told: {error}")))
    return packed


if __name__ == "__main__":
    main()
