"""`python -m benchmarks.splitting [WORKLOAD]`: one standard range test on one slot and on two, and whether they agree.

Interleaved rounds of the embedded service with `CLR_WORKER_SLOTS` 1 and 2, each with one torch thread, as two cores
give them. Seconds from claim to end, medians with fastest and slowest; the ratio is of the medians. Extra steps are
those that were measured ahead and not asked for, of all that were read.
"""

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from clr_tuner.client import Client
from clr_tuner.embedded.service import EmbeddedService
from store.settings import Settings

ROUNDS = 3
NUM_STEPS = 300  # of each sweep, which makes those of kjv-transformer 7 s long on one thread
Answer = tuple[dict[str, Any], dict[str, Any]]  # bounds without their cost, and the cost


def measure(workload: str, *, slots: int) -> tuple[Answer, dict[str, Any]]:
    """((bounds, cost), curve) of a service of its own."""
    variables = {"OMP_NUM_THREADS": "1", "CLR_WORKER_SLOTS": str(slots)}  # as the worker reads them
    with tempfile.TemporaryDirectory() as folder, patch.dict("os.environ", variables):
        settings = Settings(port=0, data_dir=Path(folder), database_url="", broker_url="", api_keys=[])
        with EmbeddedService(settings, say=print) as service, Client(service.url) as client:
            client.range_test(workload, effort="quick").wait()  # the data is read, the slots are there
            job = client.range_test(workload, num_steps=NUM_STEPS).wait()
            bounds = job.bounds_data()
            return (bounds, bounds.pop("cost")), job.curve()


def main(workload: str, rounds: int = ROUNDS) -> None:
    """Print the table."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    extra, answers = list[float](), list[Any]()
    for _ in range(rounds):
        for slots, times in seconds.items():
            (bounds, cost), curve = measure(workload, slots=slots)
            times.append(cost["seconds"])
            extra.append(cost["unread_steps"] / cost["steps"])
            answers.append((bounds, curve))
    print(f"{workload}, standard, {NUM_STEPS} steps a sweep, {rounds} rounds")
    for slots, times in seconds.items():
        print(f"{slots} slots  {statistics.median(times):7.1f} s ({min(times):.1f} .. {max(times):.1f})")
    one, two = (statistics.median(times) for times in seconds.values())
    same = "the same bounds and curves" if all(answer == answers[0] for answer in answers) else "THEY DIFFER"
    print(f"ratio {two / one:.2f}; extra steps at most {max(extra):.0%}; {same}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "kjv-transformer")
