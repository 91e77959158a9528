"""What a pool child holds from its first breath: torch, the workloads, a database connection of its own.

Imported in children only; the Celery parent never loads torch.
"""

from typing import Any

from billiard.process import current_process

from store.database import Database
from store.settings import get_settings
from worker.catalogue import load_workloads
from worker.device import share_cores
from worker.publish import device
from worker.runner import answer_ring

settings = get_settings()
database = Database(settings.resolved_database_url)
workloads = load_workloads()


def prepare() -> None:
    """Make the child ready for its job."""
    share_cores(settings.worker_slots)
    current: Any = current_process()
    current._config["daemon"] = False  # a daemon may have no children; a DataLoader's workers are children


def answer(ring_id: str, worker_id: str) -> None:
    """Answer one ring in this process."""
    answer_ring(database, settings, workloads, worker_id=worker_id, ring_id=ring_id, device=device())
