"""Where the processes of `serve` wait until the database is theirs to use.

Each takes a second or more to load, so all are started at once; the gate is a pipe that `serve` closes when the
migration is done. Elsewhere there is none.
"""

import os

GATE_FD = "CLR_GATE_FD"  # of the pipe's end to read


def pass_gate() -> None:
    """Wait until the gate is open."""
    if (descriptor := os.environ.pop(GATE_FD, None)) is not None:
        with os.fdopen(int(descriptor), "rb") as gate:
            gate.read()
