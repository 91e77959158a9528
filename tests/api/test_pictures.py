"""Final answers are told once; pictures are drawn elsewhere, and probes answered whatever is held."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import anyio.to_thread
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.turns import Turns
from store import claims, jobs, runs
from store.database import Database
from tests.jobs import queue

CONFIG = {"schedule": {"policy": "fixed"}, "warnings": [], "optimizer": {"name": "SGD"}}


def train(database: Database, *, end: bool = True) -> str:
    """The path of a training with three points; end: it was cancelled then."""
    queue(database, kind="training_job", config=CONFIG)
    with database.write() as session:
        job = claims.claim(session, workloads=["w"], worker_id="w", ring_id="r", pid=1, lease_s=3600)
        assert job is not None
        of_run = {"job_id": job.id, "sweep": 0, "seed": 0}
        runs.begin_run(session, **of_run, plan={"phase": "training", "shape": "fixed"})
        runs.append(session, **of_run, series="train", rows=[(step, 0.1, 1.0) for step in range(3)])
        if end:
            jobs.request_cancel(session, job.id)
            claims.give_back(session, job.id, 1)
    return f"/training-jobs/{job.id}"


def fill(api: TestClient) -> None:
    """Leave no process free and no place to wait for one."""
    app = api.app
    assert isinstance(app, FastAPI)
    app.state.resources.pool._turns = Turns(size=0, places=0)


@pytest.mark.parametrize("of", ["", "/curve", "/plot.svg"])
def test_what_is_final_need_not_be_told_twice(api: TestClient, database: Database, of: str) -> None:
    path = train(database) + of

    told = api.get(path)
    again = api.get(path, headers={"If-None-Match": told.headers["ETag"]})

    assert (told.status_code, again.status_code, again.content) == (200, 304, b"")
    assert again.headers["ETag"] == told.headers["ETag"]
    assert api.get(path).content == told.content


@pytest.mark.parametrize("of", ["", "/curve", "/plot.svg"])
def test_what_may_change_is_told_each_time(api: TestClient, database: Database, of: str) -> None:
    answer = api.get(train(database, end=False) + of, headers={"If-None-Match": "*"})

    assert (answer.status_code, "ETag" in answer.headers) == (200, False)


def test_a_picture_of_what_is_final_is_drawn_once(api: TestClient, database: Database) -> None:
    path = train(database)
    first = api.get(f"{path}/plot.png").content
    fill(api)

    assert api.get(f"{path}/plot.png").content == first


@pytest.mark.parametrize("of", ["/curve", "/plot.pdf"])
def test_a_full_queue_says_when_to_try_again(api: TestClient, database: Database, of: str) -> None:
    path = train(database)
    fill(api)

    answer = api.get(path + of)

    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "busy", "5")


@pytest.mark.usefixtures("catalogue")
def test_probes_are_answered_while_every_thread_is_held(api: TestClient) -> None:
    held, released = ThreadPoolExecutor(1), Event()
    assert api.portal is not None

    async def hold() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(int(anyio.to_thread.current_default_thread_limiter().total_tokens)):
                group.start_soon(anyio.to_thread.run_sync, released.wait)

    holding = held.submit(api.portal.call, hold)
    try:
        assert [api.get(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]
    finally:
        released.set()
        holding.result()
        held.shutdown()


def test_the_api_itself_loads_no_matplotlib() -> None:
    code = "import sys, api.app; sys.exit('matplotlib' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
