"""A process waits at the gate that its parent holds, and nowhere else."""

import os
import subprocess
import sys

from store.gate import GATE_FD

WAIT = (
    "from store.gate import pass_gate; print('waits', flush=True); pass_gate(); print('passed', flush=True)"
)


def start(**variables: str) -> "subprocess.Popen[str]":
    inherited = [int(descriptor) for descriptor in variables.values()]
    command = [sys.executable, "-c", WAIT]
    return subprocess.Popen(
        command, env=os.environ | variables, pass_fds=inherited, stdout=subprocess.PIPE, text=True
    )


def test_a_process_goes_on_when_the_gate_is_opened() -> None:
    gate, opening = os.pipe()
    with start(**{GATE_FD: str(gate)}) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        assert process.poll() is None

        os.close(opening)

        assert process.stdout.readline() == "passed\n"
    os.close(gate)


def test_a_process_that_comes_later_finds_it_open() -> None:
    gate, opening = os.pipe()
    os.close(opening)

    with start(**{GATE_FD: str(gate)}) as process:
        assert process.communicate()[0] == "waits\npassed\n"
    os.close(gate)


def test_without_a_gate_nothing_waits() -> None:
    with start() as process:
        assert process.communicate()[0] == "waits\npassed\n"
