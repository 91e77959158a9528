"""Events of jobs, as a real service sends them: killed, stopped, left and come back to."""

import signal
import socket
import time
from collections.abc import Iterator

import httpx2
import pytest

from clr_tuner.client import Client
from clr_tuner.events import Event
from store import claims, client_runs
from store.jobs import NewJob, create
from store.status import Reason
from tests.api.lifecycle import BOUNDS, PLAN
from tests.api.service import Service
from tests.conftest import fresh_database
from tests.machine import patience


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("events")
    with fresh_database(request.param, folder, request) as url:
        service = Service(url, folder)
        yield service
        service.close()


def until(events: Iterator[Event], name: str) -> list[Event]:
    """The events up to the first of this name."""
    heard = []
    for event in events:
        heard.append(event)
        if event.name == name:
            return heard
    raise AssertionError([event.name for event in heard])


def steps(heard: list[Event]) -> list[int]:
    return [step for event in heard if event.name == "points" for step in event.data["step"]]


def test_a_job_is_followed_to_its_end(service: Service) -> None:
    job_id = service.running()
    service.begin(job_id)
    with service.stream(f"/jobs/{job_id}/events") as events:
        begun = until(events, "progress")
        service.append(job_id, range(10))
        service.append(job_id, range(10, 20), loss=float("nan"))
        service.succeed(job_id)
        heard = begun + list(events)

    assert [heard[0].name, heard[1].name] == ["status", "progress"]
    assert heard[0].data["status"] == "running"
    assert steps(heard) == list(range(20))
    points = [event.data for event in heard if event.name == "points"]
    assert [loss for run in points for loss in run["loss"]] == [0.5] * 10 + [None] * 10
    assert {run["phase"] for run in points} == {"test"}
    assert [run["non_finite_from"] for run in points][-1] == 10
    assert heard[-2].name == "result"
    assert heard[-2].data["result"]["max_lr"] == BOUNDS["max_lr"]
    assert (heard[-1].name, heard[-1].data["status"]) == ("end", "succeeded")


def test_who_comes_back_after_the_end_is_told_to_stop(service: Service) -> None:
    job_id = service.running()
    service.begin(job_id)
    service.succeed(job_id)
    with service.stream(f"/jobs/{job_id}/events") as events:
        end = list(events)[-1]

    by_header = httpx2.get(f"{service.url}/jobs/{job_id}/events", headers={"Last-Event-ID": end.id})
    by_query = httpx2.get(f"{service.url}/jobs/{job_id}/events", params={"last_event_id": end.id})

    assert (by_header.status_code, by_query.status_code) == (204, 204)


def test_points_that_were_cut_while_nobody_listened_come_again_after_a_reset(service: Service) -> None:
    job_id = service.running()
    service.begin(job_id)
    for first in range(0, 20, 5):
        service.append(job_id, range(first, first + 5))
    with service.stream(f"/jobs/{job_id}/events") as events:
        heard = until(events, "points")
    with service.database.write() as session:
        claims.fail(session, job_id, 1, Reason.WORKER_LOST, "", max_attempts=3)
    service.claim(job_id)
    service.begin(job_id, attempt=2, after_step=9)  # it goes on from a checkpoint
    service.append(job_id, range(10, 40), loss=0.25, attempt=2)  # and is further than before

    with service.stream(f"/jobs/{job_id}/events", heard[-1].id) as events:
        reset, points = until(events, "points")[-2:]

    assert steps(heard) == list(range(20))
    assert (reset.name, reset.data) == ("reset", {"run": {"sweep": 1, "seed": 0}, "from_step": 10})
    assert points.data["step"] == list(range(10, 40))
    assert set(points.data["loss"]) == {0.25}
    service.succeed(job_id, attempt=2)


def test_rows_that_a_caller_takes_back_are_told_as_cut(service: Service) -> None:
    with service.database.write() as session:
        job = create(session, NewJob(kind="range_test", workload="mine", config={}, driver="client"))[0]
        client_runs.begin(session, job)
        run = client_runs.give(session, job, PLAN, client_id="me", lease_s=60, completed=0, total=100)
        client_runs.receive(session, job, run, rows(range(30)), diverged=False, kept=[])
    with service.stream(f"/jobs/{job.id}/events") as events:
        until(events, "points")
        with service.database.write() as session:
            held, run = client_runs.lock(session, job.id), client_runs.get(session, job.id, number=0)
            client_runs.void(session, held, run, after_step=9)
            client_runs.renew(session, held, run, lease_s=60)
            client_runs.receive(session, held, run, rows(range(10, 12)), diverged=False, kept=[])
        heard = until(events, "points")

    assert [event.data["from_step"] for event in heard if event.name == "reset"] == [10]
    assert steps(heard) == [10, 11]


def rows(steps: range) -> client_runs.Rows:
    return client_runs.Rows(train=[(step, 0.1, 0.5) for step in steps], held_out=[])


def test_a_long_curve_comes_in_events_of_bounded_size(service: Service) -> None:
    job_id = service.running()
    service.begin(job_id)
    for first in range(0, 60_000, 20_000):
        service.append(job_id, range(first, first + 20_000))
    service.succeed(job_id)

    with service.stream(f"/jobs/{job_id}/events") as events:
        heard = list(events)

    assert steps(heard) == list(range(60_000))
    assert max(len(event.data["step"]) for event in heard if event.name == "points") == 5_000
    with service.stream(f"/jobs/{job_id}/events", heard[7].id) as events:
        assert steps(heard[:8]) + steps(list(events)) == list(range(60_000))


def test_a_change_of_any_job_is_heard_and_none_is_missed_by_who_comes_back(service: Service) -> None:
    with service.stream("/events") as events:
        first = service.running()
        heard = until(events, "status")
    second = service.running()
    service.succeed(second)
    with service.stream("/events?kind=range_test", heard[-1].id) as events:
        again = until(events, "result")
        service.begin(first)
        again += until(events, "progress")

    assert {event.data["id"] for event in heard} == {first}
    assert (again[-1].data["id"], again[-1].data["progress"]["phase"]) == (first, "test")
    assert second in {event.data["id"] for event in again}
    service.succeed(first)


def test_a_kind_that_was_not_asked_for_is_not_told(service: Service) -> None:
    with service.stream("/events?kind=training_job") as events:
        service.succeed(service.running())
        with service.database.write() as session:
            training = create(session, NewJob(kind="training_job", workload="w", config={}))[0]
        [told] = until(events, "status")
    assert told.data["id"] == training.id
    service.succeed(service.claim(training.id))


@pytest.mark.parametrize("last", ["nonsense", "1~2", "9" * 40, "0~1.2.3.4.-5"])
def test_an_id_of_no_event_is_refused(service: Service, last: str) -> None:
    job_id = service.running()
    service.succeed(job_id)
    for path in (f"/jobs/{job_id}/events", "/events"):
        answer = httpx2.get(service.url + path, headers={"Last-Event-ID": last})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "header:Last-Event-ID"
    missing = httpx2.get(f"{service.url}/jobs/{'0' * 8}-{'0' * 4}-{'0' * 4}-{'0' * 4}-{'0' * 12}/events")
    assert missing.status_code == 404


def test_a_service_that_is_killed_costs_no_point_and_repeats_none(service: Service) -> None:
    job_id = service.running()
    service.begin(job_id)
    service.append(job_id, range(5))
    heard = []
    with Client(service.url) as client:
        job = client.job(job_id)
        for event in job.events():
            heard.append(event)
            if event.name == "points" and len(steps(heard)) == 5:
                service.process.stop(signal.SIGKILL)
                service.append(job_id, range(5, 9))
                service.process.start()
            if event.name == "points" and len(steps(heard)) == 9:
                service.succeed(job_id)
        again = list(job.events(heard[-1].id))

    assert steps(heard) == list(range(9))
    assert [event.name for event in heard].count("status") == 3
    assert (heard[-1].name, job.status, again) == ("end", "succeeded", [])


def test_streams_and_long_polls_end_at_once_when_the_service_does(service: Service) -> None:
    """The last one here: nothing is started again."""
    job_id = service.running()
    with (
        service.stream("/events") as all_events,
        service.stream(f"/jobs/{job_id}/events") as events,
        socket.create_connection(("127.0.0.1", service.port)) as polling,
    ):
        polling.sendall(f"GET /range-tests/{job_id}?wait_s=50 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        next(events)
        httpx2.get(f"{service.url}/healthz")
        began = time.monotonic()
        service.process.stop()
        took_s = time.monotonic() - began
        heard, polled = [*events, *all_events], polling.makefile("rb").read()

    assert took_s < patience(3)
    assert "end" not in [event.name for event in heard]
    assert b'"status":"running"' in polled
