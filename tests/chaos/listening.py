"""Those who listen while everything is killed: a project with a key hears each of its jobs, and all of them."""

from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from clr_tuner.client import Client
from clr_tuner.errors import Refused
from clr_tuner.job import Job
from tests.e2e.service import wait_for
from tests.machine import patience

STREAMS = 8  # of single jobs, open at once; the oldest jobs have them
BEGINNING = "0.000000"  # the id before every change
WITHIN_S = 60


class Project:
    """A project and what its streams told. retry_s: for how long nobody may answer."""

    def __init__(self, url: str, admin: Client, name: str, *, retry_s: float) -> None:
        key = admin.make_key(name, project=name, scope="submit")
        self._admin, self._key_id = admin, key["id"]
        self.client = Client(url, key["secret"], retry_s=retry_s)
        self.jobs: list[Job] = []
        self._statuses: dict[str, str] = {}
        self._threads = ThreadPoolExecutor(STREAMS + 1)
        self._all = self._threads.submit(self._hear_all)
        self._heard: list[Future[int]] = []

    def submit(self, workload: str, **fields: Any) -> None:
        """Ask for a range test and listen to it."""
        self.jobs.append(self.client.range_test(workload, **fields))
        self._heard.append(self._threads.submit(hear, self.jobs[-1]))

    def assert_all_was_told(self, *, within_s: float) -> int:
        """Each job was heard whole, all of them in the stream of all, and none besides. How many rows were cut."""
        cut = sum(heard.result(within_s) for heard in self._heard)
        wait_for(lambda: list(self._statuses.values()).count("succeeded") >= len(self.jobs))
        ids = {job.id for job in self.jobs}
        assert self._statuses == dict.fromkeys(ids, "succeeded")
        assert {job.id for job in self.client.jobs()} == ids
        return cut

    def assert_deaf_to(self, job: Job) -> None:
        """The job of another project has no stream for this one."""
        with pytest.raises(Refused) as refused:
            next(Job(self.client.connection, job.data).events())
        assert refused.value.status == 404

    def close(self) -> None:
        """Revoke the key, at which the stream of all jobs ends."""
        self._admin.revoke_key(self._key_id)
        assert self._all.result(patience(WITHIN_S)) == 401
        self._threads.shutdown()
        self.client.close()

    def _hear_all(self) -> int:
        try:
            for event in self.client.events(last_event_id=BEGINNING):
                if event.name == "status":
                    self._statuses[event.data["id"]] = event.data["status"]
        except Refused as refused:
            return refused.status
        return 204


def hear(job: Job) -> int:
    """Follow a job from `status` to `end`; each row of its curve is told once, or cut first. How many were cut."""
    names, rows, cut = [], defaultdict[tuple[int, int], list[tuple[int, float]]](list), 0
    for event in job.events():
        names.append(event.name)
        if event.name == "points":
            rows[name_run(event.data)] += zip(event.data["step"], event.data["loss"], strict=True)
        if event.name == "reset":
            run = rows[name_run(event.data["run"])]
            kept = [row for row in run if row[0] < event.data["from_step"]]
            cut += len(run) - len(kept)
            run[:] = kept
    runs = job.curve()["runs"]
    assert rows == {name_run(run): list(zip(run["step"], run["loss"], strict=True)) for run in runs}
    assert (names[0], *names[-2:], event.data["status"]) == ("status", "result", "end", "succeeded")
    return cut


def name_run(data: dict[str, Any]) -> tuple[int, int]:
    """(Sweep, seed)."""
    return data["sweep"], data["seed"]
