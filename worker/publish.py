"""`python -m worker.publish`: announce a worker with its catalogue, ring for the jobs that waited for it, then end.

A process of its own, because describing workloads loads torch and the Celery parent must not.
"""

import logging
import os
import socket
import sys
from importlib.metadata import entry_points

import torch
from kombu.exceptions import OperationalError as BrokerError

from clr import optimizer_plugin
from clr.optimizer_plugin import describe_plugin
from clr.training.device import default_device
from clr.workload import GROUP
from store import claims, logs, workers, workloads
from store.database import Database
from store.doorbell import Doorbell
from store.gate import pass_gate
from store.settings import Settings, get_settings
from worker.catalogue import describe, load_optimizers, load_workloads
from worker.installation import installation

log = logging.getLogger(__name__)


def publish(worker_id: str, parent_pid: int) -> None:
    """Write the worker's row and its workloads."""
    settings = get_settings()
    database = Database(settings.resolved_database_url)
    worker = workers.WorkerInfo(
        id=worker_id,
        hostname=socket.gethostname(),
        pid=parent_pid,
        slots=settings.worker_slots,
        device=torch.cuda.get_device_name() if default_device() == "cuda" else "cpu",
    )
    here = installation()  # before the workloads are loaded: what changes meanwhile is another one
    plugins = load_optimizers()
    optimizers = {"optimizers": {name: describe_plugin(plugin) for name, plugin in plugins.items()}}
    offered = [describe(workload) | optimizers for workload in load_workloads().values()]
    installed = sum(len(entry_points(group=group)) for group in (GROUP, optimizer_plugin.GROUP))
    complete = len(offered) + len(plugins) == installed
    pass_gate()
    with database.write() as session:
        workloads.publish(session, offered, installation=here if complete else None)
        workers.publish(session, worker, [workload["name"] for workload in offered])
    _ring(database, settings)
    database.close()


def _ring(database: Database, settings: Settings) -> None:
    """Have the jobs claimed that no worker could run until now; where that fails the ringer rings later."""
    with database.read() as session:
        queued, _ = claims.waiting(session, for_s=0)
    try:
        if queued and settings.broker_url:
            Doorbell(settings.broker_url).ring(queued, queued=queued)
    except BrokerError as error:
        log.warning("could not ring for the jobs that waited: %s", error)


if __name__ == "__main__":
    logs.set_up(get_settings())
    publish(sys.argv[1], os.getppid())
