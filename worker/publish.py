"""`python -m worker.publish`: announce a worker with its catalogue, then end.

A process of its own, because describing workloads loads torch and the Celery parent must not.
"""

import os
import socket
import sys

import torch

from store import logs, workers
from store.database import Database
from store.settings import get_settings
from worker.catalogue import describe, load_workloads


def device() -> str:
    """Where this machine trains: "cuda" when there is a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def publish(worker_id: str, parent_pid: int) -> None:
    """Write the worker's row and its workloads."""
    settings = get_settings()
    database = Database(settings.resolved_database_url)
    worker = workers.WorkerInfo(
        id=worker_id,
        hostname=socket.gethostname(),
        pid=parent_pid,
        slots=settings.worker_slots,
        device=torch.cuda.get_device_name() if device() == "cuda" else "cpu",
    )
    with database.write() as session:
        workers.publish(session, worker, [describe(workload) for workload in load_workloads().values()])
    database.close()


if __name__ == "__main__":
    logs.set_up(get_settings())
    publish(sys.argv[1], os.getppid())
