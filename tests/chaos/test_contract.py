"""The fault contract of docs/operations.md, line by line."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from clr_tuner.errors import JobFailed
from store.doorbell import TASK, make_celery
from store.status import Reason
from tests.chaos.stack import (
    Stack,
    assert_one_sound_result,
    is_running,
    pids_below,
    running_stack,
    signal_all,
)
from tests.e2e.service import wait_for
from tests.machine import patience, slowed
from worker.drain import DEADLINE_S

pytestmark = pytest.mark.chaos
BODY = {"workload": "hostile", "num_seeds": 1, "start_lr": 0.001, "end_lr": 0.1, "num_steps": 30}


def test_an_accepted_job_outlives_api_broker_and_worker(stack: Stack) -> None:
    job = stack.submit(num_steps=20)

    stack.service.kill("api", "worker")
    stack.broker.stop(signal.SIGKILL)
    stack.broker.start()
    stack.service.start("worker")
    stack.service.start("api")

    assert_one_sound_result(stack.database, job)


@pytest.mark.parametrize("victim", ["child", "parent"])
def test_a_killed_worker_loses_no_job_and_repeats_no_step(stack: Stack, victim: str) -> None:
    job = stack.submit()
    stack.wait_for_steps(job, 20)

    if victim == "child":
        os.kill(stack.attempts(job)[0].pid, signal.SIGKILL)
    else:
        stack.service.kill("worker")
        stack.service.start("worker")

    assert_one_sound_result(stack.database, job)
    assert [attempt.ended for attempt in stack.attempts(job)] == ["worker_lost", "succeeded"]


def test_a_job_that_always_kills_its_worker_fails_after_max_attempts(stack: Stack) -> None:
    job = stack.submit("kill")

    with pytest.raises(JobFailed) as failed:
        job.wait(timeout_s=patience(90))

    assert failed.value.reason == Reason.WORKER_LOST
    assert [attempt.ended for attempt in stack.attempts(job)] == ["worker_lost"] * 3


def test_a_dead_broker_stops_neither_submits_nor_the_running_job(stack: Stack) -> None:
    running = stack.submit()
    stack.wait_for_steps(running)

    stack.broker.stop(signal.SIGKILL)
    waiting = stack.submit("none", num_steps=20)
    running.wait(timeout_s=patience(60))
    stack.broker.start()  # and empty

    assert_one_sound_result(stack.database, running)
    assert_one_sound_result(stack.database, waiting)
    assert len(stack.attempts(running)) == 1


def test_a_wiped_broker_loses_no_job(stack: Stack) -> None:
    running = stack.submit(num_steps=60)
    stack.wait_for_steps(running)
    waiting = [stack.submit("none", num_steps=20) for _ in range(3)]

    app = make_celery(stack.broker.url)
    app.control.purge()
    app.close()

    for job in (running, *waiting):
        assert_one_sound_result(stack.database, job)


def test_a_stopped_database_answers_503_and_the_running_job_goes_on(stack_at_scale: Stack) -> None:
    stack, server = stack_at_scale, stack_at_scale.database_server
    stack.service.kill("worker")
    stack.service.start("worker", CLR_LEASE_S="30")  # longer than the database is away
    job = stack.submit()
    stack.wait_for_steps(job, 20)

    assert server is not None
    server.stop(signal.SIGQUIT)
    refused = httpx2.post(f"{stack.service.url}/range-tests", json=BODY, timeout=patience(30))
    server.start()

    assert refused.status_code == 503
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["Retry-After"]
    assert refused.json()["code"] == "database_unavailable"
    assert_one_sound_result(stack.database, job)
    assert len(stack.attempts(job)) == 1


def test_a_database_away_for_longer_than_a_lease_leaves_no_half_written_result(stack_at_scale: Stack) -> None:
    stack, server = stack_at_scale, stack_at_scale.database_server
    job = stack.submit()
    stack.wait_for_steps(job, 20)
    child = stack.attempts(job)[0].pid

    assert server is not None
    server.stop(signal.SIGQUIT)
    wait_for(lambda: not is_running(child))  # it fenced itself
    server.start()

    assert_one_sound_result(stack.database, job)
    assert [attempt.ended for attempt in stack.attempts(job)] == ["worker_lost", "succeeded"]


def test_a_database_that_falls_silent_for_longer_than_a_lease_fences_the_worker(
    stack_at_scale: Stack,
) -> None:
    stack, server = stack_at_scale, stack_at_scale.database_server
    job = stack.submit()
    stack.wait_for_steps(job, 20)
    child = stack.attempts(job)[0].pid
    assert server is not None
    everyone = {server.pid} | pids_below(server.pid)

    signal_all(everyone, signal.SIGSTOP)
    wait_for(lambda: not is_running(child))
    signal_all(everyone, signal.SIGCONT)

    assert_one_sound_result(stack.database, job)


def test_the_late_writes_of_a_stopped_worker_change_nothing(stack: Stack) -> None:
    job = stack.submit()
    stack.wait_for_steps(job, 20)
    frozen = stack.service.processes["worker"].pid
    everyone = {frozen} | pids_below(frozen)

    signal_all(everyone, signal.SIGSTOP)
    stack.service.start("worker-b")
    wait_for(lambda: len(stack.attempts(job)) == 2)
    signal_all(everyone, signal.SIGCONT)

    assert_one_sound_result(stack.database, job)
    first, second = stack.attempts(job)
    assert (first.ended, second.ended) == ("worker_lost", "succeeded")
    assert first.worker_id != second.worker_id
    wait_for(lambda: not is_running(first.pid))


def test_sixteen_deliveries_of_one_ring_are_one_run(stack: Stack) -> None:
    stack.service.kill("worker")
    job = stack.submit(num_steps=40)
    app = make_celery(stack.broker.url)
    for _ in range(16):
        app.send_task(TASK)
    app.close()

    stack.service.start("worker", CLR_WORKER_SLOTS="2")

    assert_one_sound_result(stack.database, job)
    assert len(stack.attempts(job)) == 1


def test_two_apis_that_race_with_one_idempotency_key_make_one_job(stack: Stack) -> None:
    stack.service.start("api-2")
    second = stack.service.url_of("api-2")
    wait_for(lambda: _answers(second))
    urls = [stack.service.url, second] * 8

    def post(url: str) -> httpx2.Response:
        return httpx2.post(
            f"{url}/range-tests", json=BODY, headers={"Idempotency-Key": "k"}, timeout=patience(30)
        )

    with ThreadPoolExecutor(len(urls)) as pool:
        answers = list(pool.map(post, urls))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1


def test_the_jobs_of_a_killed_group_move_to_the_other(stack: Stack) -> None:
    stack.service.start("worker-b")
    ready: set[str] = set()
    while (
        len(ready) < 2
    ):  # workers whose slots have loaded: one that has would run both jobs, one after the other
        first = stack.submit("none", num_steps=12).wait(timeout_s=patience(60))
        ready.add(stack.attempts(first)[-1].worker_id)
    jobs = [stack.submit(num_steps=100) for _ in range(2)]
    for job in jobs:
        stack.wait_for_steps(job)

    stack.service.kill("worker")

    for job in jobs:
        assert_one_sound_result(stack.database, job)
    survivors = {stack.attempts(job)[-1].worker_id for job in jobs}
    assert len(survivors) == 1


def test_a_drained_worker_gives_its_job_back_uncharged(stack: Stack) -> None:
    job = stack.submit()
    stack.wait_for_steps(job, 20)

    draining = stack.service.processes["worker"]
    draining.send_signal(signal.SIGTERM)
    assert draining.wait(patience(20)) == 0
    given_back = job.refresh().status
    stack.service.start("worker")

    assert given_back == "queued"
    assert_one_sound_result(stack.database, job)
    assert [attempt.ended for attempt in stack.attempts(job)] == ["given_back", "succeeded"]


@pytest.mark.parametrize(
    "number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name
)
def test_a_signal_to_all_processes_of_a_worker_drains_it_too(stack_at_scale: Stack, number: int) -> None:
    stack, worker = stack_at_scale, stack_at_scale.service.processes["worker"]
    job = stack.submit()
    stack.wait_for_steps(job, 20)

    signal_all(pids_below(worker.pid), number)
    stack.wait_for_steps(job, 50)
    worker.send_signal(number)

    assert worker.wait(patience(20)) == 0
    assert [attempt.ended for attempt in stack.attempts(job)] == ["given_back"]


def test_a_drained_worker_waits_for_a_database_that_is_slow(tmp_path: Path) -> None:
    with running_stack("postgres", tmp_path, lease_s=slowed(60)) as stack:
        server, draining = stack.database_server, stack.service.processes["worker"]
        job = stack.submit()
        stack.wait_for_steps(job, 20)
        assert server is not None
        everyone = {server.pid} | pids_below(server.pid)

        signal_all(everyone, signal.SIGSTOP)
        draining.send_signal(signal.SIGTERM)
        time.sleep(3 * DEADLINE_S)  # so long is it silent
        signal_all(everyone, signal.SIGCONT)

        assert draining.wait(patience(20)) == 0
        assert [attempt.ended for attempt in stack.attempts(job)] == ["given_back"]


@pytest.mark.parametrize("fault", ["hang", "sleep"])
def test_a_cancel_takes_effect_within_five_seconds_whatever_the_workload_does(
    stack: Stack, fault: str
) -> None:
    job = stack.submit(params={"fault": fault, "at_step": 0})
    wait_for(lambda: job.refresh().progress.get("phase") == "test")
    child = stack.attempts(job)[0].pid

    asked_at = time.monotonic()
    job.cancel()
    wait_for(lambda: job.refresh().status == "cancelled")

    assert time.monotonic() - asked_at < slowed(5)

    wait_for(lambda: not is_running(child))
    wait_for(lambda: 'clr_child_kills_total{cause="cancelled"} 1.0' in stack.metrics())


def test_a_killed_job_takes_the_programs_it_started_with_it(stack: Stack) -> None:
    job = stack.submit(params={"fault": "program", "at_step": 0})
    wait_for(lambda: job.refresh().progress.get("phase") == "test")
    child = stack.attempts(job)[0].pid
    wait_for(lambda: bool(pids_below(child)))
    programs = pids_below(child)

    job.cancel()
    wait_for(lambda: job.refresh().status == "cancelled")

    wait_for(lambda: not any(map(is_running, programs)))


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/healthz").status_code == 200
    except httpx2.TransportError:
        return False
