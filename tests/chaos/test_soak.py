"""Two hundred small jobs through one embedded service: nothing is lost, and nothing grows."""

import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from clr_tuner.client import Client
from tests.chaos.stack import pids_below
from tests.chaos.test_kill_loop import TINY, Embedded

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
JOBS, WARM_UP = 200, 40


@dataclass(frozen=True)
class Usage:
    """What the service's lasting processes hold, all together."""

    processes: int
    threads: int
    descriptors: int
    rss_mib: float

    @classmethod
    def of(cls, service: Embedded) -> "Usage":
        """Count what lasts: the processes of jobs come and go."""
        looks = []
        for _ in range(20):
            looks.append(cls._now(service))
            time.sleep(0.1)
        return min(looks, key=lambda look: look.processes)

    @classmethod
    def _now(cls, service: Embedded) -> "Usage":
        lasting = []
        for pid in {service.process.pid} | pids_below(service.process.pid):
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                process = psutil.Process(pid)
                lasting.append((process.num_threads(), process.num_fds(), process.memory_info().rss))
        threads, descriptors, rss = map(sum, zip(*lasting, strict=True))
        return cls(len(lasting), threads, descriptors, rss / 2**20)


def test_two_hundred_jobs_leave_the_service_as_it_was(tmp_path: Path) -> None:
    service = Embedded(tmp_path)
    try:
        with Client(service.url, retry_s=60) as client:
            _run(client, WARM_UP)
            before = Usage.of(service)
            _run(client, JOBS - WARM_UP)
            after = Usage.of(service)
    finally:
        service.stop()

    sys.stdout.write(f"\nafter {WARM_UP} jobs: {before}\nafter {JOBS} jobs: {after}\n")
    assert after.processes == before.processes
    assert after.threads <= before.threads + 4  # the API's thread pool and the drivers' pools breathe
    assert after.descriptors <= before.descriptors + 10
    assert after.rss_mib <= 1.15 * before.rss_mib


def _run(client: Client, count: int) -> None:
    for job in [client.range_test("hostile", **TINY) for _ in range(count)]:
        job.wait(timeout_s=1800)
