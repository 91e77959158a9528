"""A slot and its children, in interpreters of their own: this one has threads of torch's, and must not be forked so."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import select

from store import jobs
from store.database import Database
from store.models import Attempt
from store.status import Status
from tests.conftest import fresh_database
from tests.machine import patience
from tests.worker.test_runner import queue_fault
from worker import forking
from worker.forking import hindrance

ROOT = Path(__file__).parents[2]
FAULTS = ("none", "kill", "segfault", "quit", "none")  # and then a ring too many
RINGS = """
import os, random, sys
import numpy as np
from billiard.exceptions import WorkerLostError
from hostile import Hostile
from store import logs
from store.database import Database
from store.settings import Settings
from worker.child import Holding
from worker.slot import ForkingSlot

class Drawing(Hostile):
    def build(self, params, **about):
        print("draws", random.random(), np.random.random(), flush=True)
        return super().build(params, **about)

settings = Settings(database_url=sys.argv[1])
logs.set_up(settings)
slot = ForkingSlot(Holding(settings, "me", Database(settings.database_url), {"hostile": Drawing()}))
for ring in sys.argv[2:]:
    try:
        slot.answer(ring)
        print("ended")
    except WorkerLostError as error:
        print("ended", error)
print("slot", os.getpid(), len(os.listdir("/proc/self/task")))
"""
LOADED = """
from store.settings import Settings
from worker.child import load
from worker.forking import hindrance
load(Settings(), worker_id="me")
print(hindrance())
"""


class Answered(NamedTuple):
    """What became of some rings of one slot. draws: a line each; ends: what the slot heard of its children."""

    statuses: list[Status]
    pids: list[int]
    draws: list[str]
    ends: list[str]
    slot_pid: int
    threads: int


def run(code: str, *arguments: str) -> list[str]:
    """The lines that it prints; fails with what it says where it fails."""
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests" / "plugins")},
        capture_output=True,
        text=True,
        check=False,
        timeout=patience(60),
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


@pytest.fixture(scope="module")
def answered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Answered:
    """A job for each fault, and one slot that is rung for all."""
    with fresh_database("sqlite", tmp_path_factory.mktemp("slot"), request) as url:
        database = Database(url)
        job_ids = [queue_fault(database, fault, num_seeds=1, num_steps=30) for fault in FAULTS]
        lines = run(RINGS, url, *map(str, range(len(FAULTS) + 1)))
        with database.read() as session:
            statuses = [jobs.get(session, job_id).status for job_id in job_ids]
            pids = list(session.scalars(select(Attempt.pid)))
        database.close()
    words = {
        word: [line.removeprefix(word).strip() for line in lines if line.startswith(word)]
        for word in ("draws", "ended", "slot")
    }
    slot_pid, threads = map(int, words["slot"][0].split())
    return Answered(statuses, pids, words["draws"], words["ended"], slot_pid, threads)


def test_each_ring_is_answered_by_a_process_of_its_own(answered: Answered) -> None:
    assert len({*answered.pids, answered.slot_pid}) == len(FAULTS) + 1


def test_a_child_that_died_is_reported_and_the_next_runs_its_job(answered: Answered) -> None:
    assert answered.ends == [
        "",
        "Worker exited prematurely: signal 9 (SIGKILL).",
        "Worker exited prematurely: signal 11 (SIGSEGV).",
        "Worker exited prematurely: exitcode 0.",
        "",
        "",
    ]
    assert answered.statuses[0] == answered.statuses[-1] == Status.SUCCEEDED


def test_children_of_one_slot_draw_different_numbers(answered: Answered) -> None:
    assert len({number for draw in answered.draws for number in draw.split()}) == 2 * len(answered.draws)


def test_a_slot_starts_no_thread(answered: Answered) -> None:
    assert answered.threads == 1


def test_the_built_in_workloads_may_be_forked() -> None:
    assert run(LOADED) == ["None"]


def test_a_thread_hinders_a_fork() -> None:
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()

    why = hindrance()
    ended.set()
    thread.join()

    assert why is not None
    assert why.startswith("threads were started while workloads were imported: ")


def test_a_gpu_that_was_asked_hinders_a_fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "GPUS", (str(tmp_path),))
    with (tmp_path / "nvidiactl").open("w"):
        why = hindrance()

    assert why == "a GPU was asked while workloads were imported"
