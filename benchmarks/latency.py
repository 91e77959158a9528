"""`python -m benchmarks.latency`: what one waits for beside the training itself, and the same work in a bare script.

Medians of `ROUNDS`, fastest and slowest beside them, seconds. The service is the embedded one, with one slot:
- ready: from starting `serve` to the first 200 of `/readyz`, in an empty data directory and in the same once more;
  bare: a fresh interpreter that imports what serves and trains.
- POST to bounds: a quick range test of digits-mlp, from just before the POST until its bounds are here; bare: the
  same sweep measured and read in this process.
- job to job: from `finished_at` of one of `ROUNDS` + 1 such jobs in the queue to the end of the next one's first
  update (`benchmarks.stamped`); bare: from a built-in data set to the end of the first update, in this process.
- `clr-tuner --help`: the whole process; bare: an interpreter that imports typer.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.stamped import FILE
from clr.analysis import read_bounds
from clr.bounds import Bounds
from clr.optimizers import parse_optimizer
from clr.range_test import RangeTestConfig, next_sweep
from clr.sweep import Sweep, run_sweep
from clr.training.seeding import seeded
from clr.training.trainer import Trainer
from clr_tuner.client import Client
from clr_tuner.embedded.service import EmbeddedService
from store.settings import Settings
from worker.device import share_cores
from worker.workloads.digits import DigitsMLP, digits

ROUNDS = 10
QUICK: dict[str, Any] = {"effort": "quick"}
ENTRY_POINT = "[clr_tuner.workloads]\nstamped = benchmarks.stamped:Stamped\n"

Times = list[float]


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The embedded service on a free port, with the workload that notes its first step; yields its address."""
    settings = Settings(
        port=0, data_dir=folder / "data", database_url="", broker_url="", api_keys=[], worker_slots=1
    )
    plugin = folder / "stamped-0.dist-info"
    plugin.mkdir(exist_ok=True)
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: stamped\nVersion: 0\n")
    (plugin / "entry_points.txt").write_text(ENTRY_POINT)
    environment = {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), str(folder)]),
        FILE: str(folder / "stamps"),
    }
    with patch.dict(os.environ, environment), EmbeddedService(settings, say=print) as service:
        yield service.url


def timed(work: Callable[[], object]) -> float:
    """How long it takes, s."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ready(rounds: int) -> tuple[Times, Times]:
    """First and second starts."""

    def start(folder: Path) -> float:
        began = time.perf_counter()
        with serving(folder):
            return time.perf_counter() - began

    starts: tuple[Times, Times] = ([], [])
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for times in starts:
                times.append(start(Path(folder)))
    return starts


def post_to_bounds(url: str, rounds: int) -> Times:
    """One after the other, after one that warms up."""
    with Client(url) as client:
        return [
            timed(lambda: client.range_test("digits-mlp", **QUICK).wait().bounds()) for _ in range(rounds + 1)
        ][1:]


def job_to_job(url: str, stamps: Path, rounds: int) -> Times:
    """One after the other, queued together."""
    with Client(url) as client:
        jobs = [client.range_test("stamped", **QUICK) for _ in range(rounds + 1)]
        ended = [datetime.fromisoformat(job.wait().data["finished_at"]).timestamp() for job in jobs]
    began = [float(line) for line in stamps.read_text().splitlines()]
    assert len(began) == len(jobs), "a job was interrupted"
    return [after - before for before, after in zip(ended, began[1:], strict=False)]


def bounds_by_hand() -> Bounds | None:
    """What the job measures and answers."""
    test, finished = RangeTestConfig.from_dict(QUICK), list[Sweep]()
    while (plan := next_sweep(test, finished)) is not None:
        trainer, sweep = _trainer(plan.seed), Sweep(plan)
        with seeded(plan.seed):
            for row in run_sweep(plan, trainer.step, trainer.evaluate):
                sweep.add(row)
        finished.append(sweep)
    answer = read_bounds(finished, steps_per_epoch=43, optimizer="SGD", momentum=0.9)
    return answer if isinstance(answer, Bounds) else None


def first_step_by_hand() -> None:
    """With the data read anew."""
    digits.cache_clear()
    _trainer(0).step(0.01)


def _trainer(seed: int) -> Trainer:
    workload = DigitsMLP()
    problem = workload.build(
        workload.Params(), seed=seed, batch_size=workload.default_batch_size, device="cpu"
    )
    return Trainer(problem, parse_optimizer(workload.default_optimizer), device="cpu")


def process(*command: str) -> Callable[[], object]:
    """What runs a command to its end."""
    return lambda: subprocess.run(command, capture_output=True, check=True)


def row(name: str, ours: Times, bare: Times) -> str:
    """A line of the table."""
    return f"{name:<28} {_spread(ours)}   {_spread(bare)}"


def _spread(times: Times) -> str:
    return f"{statistics.median(times):7.3f} ({min(times):.3f} .. {max(times):.3f})"


def main(rounds: int = ROUNDS) -> None:
    """Print the table."""
    share_cores(1)
    print(f"{'SECONDS, MEDIAN OF ' + str(rounds):<28} {'SERVICE':>26}   {'BARE SCRIPT':>26}")
    first, second = ready(rounds)
    imports = process(sys.executable, "-c", "import torch, fastapi, sqlalchemy, celery, uvicorn")
    importing = [timed(imports) for _ in range(rounds)]
    print(
        row("ready, first start", first, importing), row("ready, second start", second, importing), sep="\n"
    )
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as url:
        answers = post_to_bounds(url, rounds)
        between = job_to_job(url, Path(folder) / "stamps", rounds)
    print(row("POST to bounds", answers, [timed(bounds_by_hand) for _ in range(rounds + 1)][1:]))
    print(row("job to job", between, [timed(first_step_by_hand) for _ in range(rounds + 1)][1:]))
    tuner = process(str(Path(sys.executable).with_name("clr-tuner")), "--help")
    typer = process(sys.executable, "-c", "import typer")
    print(row("clr-tuner --help", *([timed(work) for _ in range(rounds)] for work in (tuner, typer))))


if __name__ == "__main__":
    main()
