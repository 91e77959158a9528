"""Comparisons through the Python client."""

import time
from collections.abc import Iterator

import pytest

from clr_tuner.client import Client
from clr_tuner.comparison import Comparison, Row, Spread
from clr_tuner.errors import JobFailed, StillRunning
from tests.clr_tuner.conftest import COMPARED, COMPARISON, COMPARISON_ID, Answer, Service, comparison


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url, retry_s=5) as client:
        yield client


@pytest.fixture
def submitted(client: Client, service: Service) -> Comparison:
    service.answers("POST", "/comparisons", Answer(202, comparison()))
    return client.compare("digits-mlp", preset="paper")


def test_the_request_holds_what_was_given_and_nothing_else(client: Client, service: Service) -> None:
    service.answers("POST", "/comparisons", Answer(202, comparison()))
    slow = {"schedule": {"policy": "fixed", "lr": 0.001}, "label": "slow", "optimizer": {"name": "Adam"}}

    client.compare("digits-mlp", preset="paper")
    client.compare("digits-mlp", ["triangular2", slow], optimizer="SGD", num_seeds=5, num_cycles=2, seed=None)

    minimal, full = service.heard("POST", "/comparisons")
    assert minimal.body == {"workload": "digits-mlp", "preset": "paper"}
    assert full.body == {
        "workload": "digits-mlp",
        "entries": [{"schedule": {"policy": "triangular2"}}, slow],
        "optimizer": {"name": "SGD"},
        "num_seeds": 5,
        "num_cycles": 2,
    }
    assert minimal.headers["idempotency-key"] != full.headers["idempotency-key"]


def test_its_rows_tell_what_became_of_each_entry(submitted: Comparison, service: Service) -> None:
    service.answers("GET", COMPARISON, Answer(body=comparison("succeeded", **COMPARED)))
    assert (submitted.rows, submitted.metric, submitted.within_noise) == ((), None, ())

    fixed, clr, wild = submitted.wait().rows

    assert fixed == Row(
        label="fixed",
        schedule={"policy": "fixed", "lr": 0.05},
        optimizer="SGD",
        jobs=("f0", "f1", "f2"),
        statuses={"succeeded": 3},
        final=Spread(0.95, 0.002),
        best=Spread(0.96, None),
        num_steps=688,
        steps_to_target=300.0,
        reached=2,
        diverged=0,
        p_value=0.0123,
        within_noise=False,
    )
    assert (clr.p_value, clr.within_noise) == (None, True)
    assert (wild.final, wild.diverged) == (None, 3)
    assert (submitted.metric, submitted.target, submitted.within_noise) == ("accuracy", 0.95, ("CLR",))
    assert submitted.warnings == ("wild: 3 of 3 runs diverged",)


def test_waiting_polls_as_often_as_the_service_says_and_tells_of_progress(
    submitted: Comparison, service: Service
) -> None:
    halfway = {"completed": 2, "total": 4, "unit": "jobs"}
    running = Answer(body=comparison("running", progress=halfway), headers={"Retry-After": "1"})
    service.answers("GET", COMPARISON, running, Answer(body=comparison("succeeded")))
    seen: list[tuple[str, object]] = []

    started_at = time.monotonic()
    submitted.wait(on_progress=lambda one: seen.append((one.status, one.progress["completed"])))

    assert time.monotonic() - started_at >= 1.0
    assert seen == [("running", 2), ("succeeded", 0)]
    assert [request.query for request in service.heard("GET", COMPARISON)] == [{}, {}]


def test_waiting_ends_in_time_and_leaves_it_alone(submitted: Comparison, service: Service) -> None:
    service.answers("GET", COMPARISON, Answer(body=comparison("running"), headers={"Retry-After": "60"}))

    with pytest.raises(StillRunning, match=f"comparison {COMPARISON_ID} is running"):
        submitted.wait(timeout_s=0.1)


def test_waiting_for_one_that_failed_tells_why(submitted: Comparison, service: Service) -> None:
    why = ["fixed: 3 of 3 runs failed (no_bounds)", "CLR: 3 of 3 runs failed (no_bounds)"]
    service.answers("GET", COMPARISON, Answer(body=comparison("failed", warnings=why)))

    with pytest.raises(JobFailed, match=r"failed: fixed: 3 of 3 runs failed \(no_bounds\); CLR: 3"):
        submitted.wait()


def test_one_is_found_by_its_id_and_can_be_cancelled_drawn_and_deleted(
    client: Client, service: Service
) -> None:
    service.answers("GET", COMPARISON, Answer(body=comparison("running")))
    service.answers("POST", f"{COMPARISON}/cancel", Answer(body=comparison("cancelling")))
    service.answers("GET", f"{COMPARISON}/plot.svg", Answer(body=b"<svg/>"))
    service.answers("DELETE", COMPARISON, Answer(204, b""))

    found = client.comparison(COMPARISON_ID)

    assert (found.id, found.is_final) == (COMPARISON_ID, False)
    assert found.plot() == b"<svg/>"
    assert found.cancel().status == "cancelling"
    found.delete()


def test_the_list_goes_through_all_pages(client: Client, service: Service) -> None:
    pages = [
        {"items": [comparison()], "next_page_token": "t1"},
        {"items": [comparison("succeeded")], "next_page_token": None},
    ]
    service.answers("GET", "/comparisons", *(Answer(body=page) for page in pages))

    assert list(map(repr, client.comparisons())) == [
        f"<Comparison {COMPARISON_ID} queued>",
        f"<Comparison {COMPARISON_ID} succeeded>",
    ]
