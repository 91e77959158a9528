"""What a pool child holds from its first breath: torch, the workloads, a database connection of its own.

Imported in children only; the Celery parent never loads torch.
"""

import os
from typing import Any

import torch
from billiard.process import current_process

from store.database import Database
from store.settings import get_settings
from worker.catalogue import load_workloads
from worker.publish import device
from worker.runner import answer_ring

# OpenMP's threads spin while they wait for each other: with every core taken, one busy neighbour made a step
# of 3 ms last 300 ms on 2 cores. The service's other processes are such neighbours.
SPARE_CORES = 1

settings = get_settings()
database = Database(settings.resolved_database_url)
workloads = load_workloads()


def prepare() -> None:
    """Make the child ready for its job."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // settings.worker_slots - SPARE_CORES))
    current: Any = current_process()
    current._config["daemon"] = False  # a daemon may have no children; a DataLoader's workers are children


def answer(ring_id: str, worker_id: str) -> None:
    """Answer one ring in this process."""
    answer_ring(database, settings, workloads, worker_id=worker_id, ring_id=ring_id, device=device())
