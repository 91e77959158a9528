"""The process of one job, forked by its slot or started by it: what it holds, and the ring that it answers."""

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import torch
from sqlalchemy.orm import configure_mappers

from clr.training.device import default_device
from clr.workload import Workload
from store.database import Database
from store.settings import Settings
from worker.ancestors import die_with, leave_signals
from worker.catalogue import load_workloads
from worker.device import share_cores
from worker.runner import answer_ring

log = logging.getLogger(__name__)

DONE = 75  # the exit code of a child that ended by itself: 0 may be a workload's own `os._exit`


@dataclass(frozen=True, slots=True)
class Holding:
    """What takes seconds to load and may be shared by a fork. No connection of the database is open yet."""

    settings: Settings
    worker_id: str
    database: Database
    workloads: Mapping[str, Workload]


def load(settings: Settings, *, worker_id: str) -> Holding:
    """Load it, and with it what is imported by the first optimizer and the first query."""
    workloads = load_workloads()
    torch.optim.SGD([torch.nn.Parameter(torch.empty(1))])
    configure_mappers()
    return Holding(settings, worker_id, Database(settings.resolved_database_url), workloads)


def live(holding: Holding, *, slot_pid: int, ring_id: str) -> NoReturn:
    """Answer one ring as a process of its own, then end it."""
    try:
        die_with(slot_pid)
        leave_signals()
        np.random.seed()  # torch's numbers are the engine's to seed, and Python's forget by themselves at a fork
        share_cores(holding.settings.worker_slots)
        answer_ring(
            holding.database,
            holding.settings,
            holding.workloads,
            worker_id=holding.worker_id,
            ring_id=ring_id,
            device=default_device(),
        )
    except Exception:
        log.exception("a ring could not be answered")  # and what was claimed is lost with its lease
    finally:
        logging.shutdown()
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
        os._exit(DONE)
