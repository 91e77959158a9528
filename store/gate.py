"""Where the processes of `serve` wait until the database is theirs to use.

Each takes a second or more to load, so all are started at once; the gate is a pipe that `serve` closes when the
migration is done. Elsewhere there is none.
"""

import os

GATE_FD = "CLR_GATE_FD"  # of the pipe's end to read


def find_gate() -> tuple[int, ...]:
    """The file descriptor that a process started here must inherit to wait at the gate too; empty without one."""
    return (int(os.environ[GATE_FD]),) if GATE_FD in os.environ else ()


def pass_gate() -> None:
    """Wait until the gate is open."""
    if (descriptor := os.environ.pop(GATE_FD, None)) is not None:
        with os.fdopen(int(descriptor), "rb") as gate:
            gate.read()
