"""`python -m benchmarks.reporting`: what it costs a loop of one's own to report to a service.

One sweep of 6,000 steps of a network whose step takes about a millisecond, in this process, with `report_to` and
without, in turn. The service is a process beside it, as on a laptop. Milliseconds a step inside the loop, as the rest
is sent after it; medians of `ROUNDS`, fastest and slowest beside them, and the median of each pair's ratio.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from clr.reporting import RangeTestReport
from clr.training.lr_finder import LRFinder
from clr_tuner.client import Client
from clr_tuner.embedded.service import EmbeddedService
from store.settings import Settings

ROUNDS = 6
RANGE = {"start_lr": 1e-4, "end_lr": 0.01, "num_steps": 6000, "num_seeds": 1}
WIDTH, BATCH = 384, 64


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(port=0, data_dir=Path(folder), database_url="", broker_url="", worker_slots=1)
        with EmbeddedService(settings, say=lambda _: None) as service, Client(service.url) as client:
            measure(None)
            plain, reported = list[float](), list[float]()
            for number in range(ROUNDS):
                arms = [(plain, None), (reported, client.range_test_here("a millisecond a step"))]
                for times, report in arms if number % 2 else reversed(arms):
                    times.append(measure(report))
    print(f"{'':10} {'ms a step':>10} {'fastest':>8} {'slowest':>8}")
    for name, times in (("alone", plain), ("reported", reported)):
        print(f"{name:10} {statistics.median(times):10.4f} {min(times):8.4f} {max(times):8.4f}")
    ratios = [one / other for one, other in zip(reported, plain, strict=True)]
    print(f"reported over alone: {statistics.median(ratios):.4f} ({min(ratios):.3f} to {max(ratios):.3f})")


def measure(report: RangeTestReport | None) -> float:
    """Milliseconds a step."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    with LRFinder(model, optimizer, config=RANGE, report_to=report) as finder:
        began, steps = time.perf_counter(), 0
        for inputs, targets in finder.batches(Batches()):
            optimizer.zero_grad()
            loss = criterion(model(inputs), targets)
            loss.backward()
            optimizer.step()
            finder.step(loss)
            steps += 1
        took_s = time.perf_counter() - began
    return 1000 * took_s / steps


class Batches:
    """The same few batches in each epoch."""

    def __init__(self) -> None:
        inputs = torch.randn(32, BATCH, WIDTH)
        self._batches = [(batch, (batch[:, 0] > 0).long()) for batch in inputs]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self._batches)


if __name__ == "__main__":
    main()
