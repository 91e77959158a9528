"""`python -m worker.spawned SLOT_PID`: a child that shares nothing with its slot, and waits for a ring at its stdin."""

import os
import sys

from worker.ancestors import die_with, leave_signals
from worker.app import WORKER_ID, set_up_logging, settings
from worker.child import live, load

if __name__ == "__main__":
    slot_pid = int(sys.argv[1])
    die_with(slot_pid)
    leave_signals()
    set_up_logging()
    holding = load(settings, worker_id=os.environ[WORKER_ID])
    if ring_id := sys.stdin.readline():  # else the slot has ended
        live(holding, slot_pid=slot_pid, ring_id=ring_id)
