"""`python -m benchmarks.imports [PYTHON ...]`: how long one waits for us before anything happens, in fresh processes.

PYTHON: the interpreters to compare, each with a clr-tuner of its own; else the one that runs this. All run interleaved,
medians of wall and user CPU time, ms, with the modules that the timed code loaded. Of a command, the whole process.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROUNDS = 9
OWN_OPTIMIZER = """
import torch
from torch.utils.data import DataLoader, TensorDataset
class Begun(Exception): pass
def begun(outputs, targets): raise Begun
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
inputs, targets = torch.randn(64, 4), torch.randint(2, (64,))
loader = DataLoader(TensorDataset(inputs, targets), batch_size=8)
torch.nn.functional.cross_entropy(model(inputs), targets).backward()
optimizer.step()
"""
TO_THE_FIRST_STEP = """
import clr_tuner as ct
try: ct.find_bounds(model, optimizer, begun, loader)
except Begun: pass
"""
CODE = {  # what is timed, after what is not
    "import clr_tuner": ("", "import clr_tuner"),
    "ct.Client()": ("", "import clr_tuner as ct; ct.Client()"),
    "ct.find_bounds, to its first step": (OWN_OPTIMIZER, TO_THE_FIRST_STEP),
}
COMMANDS = {"clr-tuner --help": ["--help"], "clr-tuner bounds --help": ["bounds", "--help"]}
STOPWATCH = """
import json, os, sys, time
exec({before!r})
modules, wall, user = len(sys.modules), time.perf_counter(), os.times().user
exec({timed!r})
print(json.dumps([1e3 * (time.perf_counter() - wall), 1e3 * (os.times().user - user), len(sys.modules) - modules]))
"""


class Wait(NamedTuple):
    """One fresh process. modules: 0 of a command."""

    wall_ms: float
    user_ms: float
    modules: int = 0


def wait(python: Path, name: str, folder: str) -> Wait:
    """Run it once, where no checkout is on the path but the interpreter's own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    if name in CODE:
        before, timed = CODE[name]
        code = STOPWATCH.format(before=before, timed=timed)
        run = subprocess.run(
            [python, "-P", "-c", code], cwd=folder, env=environment, capture_output=True, check=True
        )
        return Wait(*json.loads(run.stdout))
    user, began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime, time.perf_counter()
    command = [python.parent / "clr-tuner", *COMMANDS[name]]
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    wall = time.perf_counter() - began
    return Wait(1e3 * wall, 1e3 * (resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - user))


def main() -> None:
    """Print the table, a line for each interpreter and what is waited for."""
    pythons = [Path(name) for name in sys.argv[1:] or [sys.executable]]
    print(f"{'':<36} {'WALL MS':>8} {'USER MS':>8} {'MODULES':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for name in [*CODE, *COMMANDS]:
            rounds = [[wait(python, name, folder) for python in pythons] for _ in range(ROUNDS + 1)][1:]
            for python, waits in zip(pythons, zip(*rounds, strict=True), strict=True):
                wall, user, modules = (statistics.median(column) for column in zip(*waits, strict=True))
                print(f"{name:<36} {wall:8.0f} {user:8.0f} {modules or '':>8} {python}", flush=True)


if __name__ == "__main__":
    main()
