"""What a pool child holds from its first breath: torch, the workloads, a database connection of its own.

Imported in children only; the Celery parent never loads torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from billiard.process import current_process

from clr.workload import Workload
from store.database import Database
from store.settings import Settings
from worker.catalogue import load_workloads
from worker.device import device, share_cores
from worker.runner import answer_ring


@dataclass(frozen=True, slots=True)
class Child:
    """A pool child that is ready for its job."""

    settings: Settings
    database: Database
    workloads: Mapping[str, Workload]

    def answer(self, ring_id: str, worker_id: str) -> None:
        """Answer one ring in this process."""
        answer_ring(
            self.database,
            self.settings,
            self.workloads,
            worker_id=worker_id,
            ring_id=ring_id,
            device=device(),
        )


def prepare(settings: Settings) -> Child:
    """Make this process a child: its share of the cores, the database, the workloads."""
    share_cores(settings.worker_slots)
    current: Any = current_process()
    current._config["daemon"] = False  # a daemon may have no children; a DataLoader's workers are children
    return Child(settings, Database(settings.resolved_database_url), load_workloads())
