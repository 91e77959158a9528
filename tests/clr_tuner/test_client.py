import copy
import pickle
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import httpx2
import pytest

from clr.bounds import Inconclusive
from clr_tuner.client import Client
from clr_tuner.connection import retry_after
from clr_tuner.errors import JobFailed, NotReady, Refused, StillRunning, Unreachable
from clr_tuner.range_test import RangeTest
from clr_tuner.training_job import TrainingJob
from tests.clr_tuner.conftest import (
    BOUNDS,
    INCONCLUSIVE,
    JOB,
    JOB_ID,
    TRAINING,
    TRAINING_ID,
    Answer,
    Service,
    job,
    training,
)


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url, retry_s=5) as client:
        yield client


def submitted(client: Client, service: Service) -> RangeTest:
    service.answers("POST", "/range-tests", Answer(202, job()))
    return client.range_test("digits-mlp")


def test_one_line_goes_from_a_workload_to_its_bounds(client: Client, service: Service) -> None:
    service.answers("POST", "/range-tests", Answer(202, job()))
    service.answers("GET", JOB, Answer(body=job("running")), Answer(body=job("succeeded")))
    service.answers("GET", f"{JOB}/bounds", Answer(body=BOUNDS))

    bounds = client.range_test("digits-mlp").wait().bounds()

    assert (bounds.base_lr, bounds.max_lr) == (0.01, 0.1)
    assert bounds.base_lr_interval == (0.008, 0.012)
    assert bounds.reason_max == "The accuracy stops rising here."


def test_the_request_holds_what_was_given_and_nothing_else(client: Client, service: Service) -> None:
    service.answers("POST", "/range-tests", Answer(202, job()))

    client.range_test("digits-mlp", optimizer="Adam", num_seeds=2, batch_size=None, tags=["nightly"])

    [request] = service.heard("POST", "/range-tests")
    assert request.body == {
        "workload": "digits-mlp",
        "optimizer": {"name": "Adam"},
        "num_seeds": 2,
        "tags": ["nightly"],
    }


def test_a_submit_that_was_not_answered_is_repeated_with_the_same_key(
    client: Client, service: Service
) -> None:
    service.answers(
        "POST", "/range-tests", Answer(drop=True), Answer(503, {"detail": "no database"}), Answer(202, job())
    )

    assert client.range_test("digits-mlp").id == JOB_ID

    keys = [request.headers["idempotency-key"] for request in service.heard("POST", "/range-tests")]
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_two_submits_have_two_keys(client: Client, service: Service) -> None:
    submitted(client, service)
    submitted(client, service)

    keys = [request.headers["idempotency-key"] for request in service.heard("POST", "/range-tests")]
    assert len(set(keys)) == 2


def test_a_503_is_repeated_no_sooner_than_it_says(client: Client, service: Service) -> None:
    service.answers("GET", JOB, Answer(503, {}, {"Retry-After": "1"}), Answer(body=job()))

    asked_at = time.monotonic()
    client.job(JOB_ID)

    assert time.monotonic() - asked_at >= 1.0


def test_a_429_that_says_when_is_repeated_then_with_the_same_key(client: Client, service: Service) -> None:
    limited = Answer(429, {"detail": "this key may ask 60 times a minute"}, {"Retry-After": "1"})
    service.answers("POST", "/range-tests", limited, Answer(202, job()))

    asked_at = time.monotonic()
    client.range_test("digits-mlp")

    assert time.monotonic() - asked_at >= 1.0
    first, second = service.heard("POST", "/range-tests")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "3600"}, {"Retry-After": "soon"}])
def test_a_429_that_does_not_say_when_or_says_too_late_is_raised_at_once(
    client: Client, service: Service, headers: dict[str, str]
) -> None:
    service.answers("GET", JOB, Answer(429, {"detail": "too often"}, headers))

    with pytest.raises(Refused, match="too often"):
        client.job(JOB_ID)

    assert len(service.heard("GET", JOB)) == 1


def test_a_date_says_when_to_ask_again_too() -> None:
    in_an_hour = httpx2.Response(503, headers={"Retry-After": formatdate(time.time() + 3600, usegmt=True)})
    long_ago = httpx2.Response(503, headers={"Retry-After": formatdate(0, usegmt=True)})

    assert retry_after(in_an_hour) == pytest.approx(3600, abs=60)
    assert retry_after(long_ago) == 0.0


def test_a_503_that_stays_is_raised(service: Service) -> None:
    service.answers("GET", JOB, Answer(503, {"detail": "the database is down"}))

    with Client(service.url, retry_s=0) as client, pytest.raises(Refused, match="the database is down"):
        client.job(JOB_ID)


def test_nobody_there_is_unreachable(service: Service) -> None:
    service.close()

    with Client(service.url, retry_s=0) as client, pytest.raises(Unreachable, match=service.url):
        client.job(JOB_ID)


def test_a_refusal_names_every_bad_field(client: Client, service: Service) -> None:
    problem = {
        "code": "invalid_request",
        "detail": "The request is invalid.",
        "errors": [{"pointer": "/start_lr", "message": "must be less than end_lr"}],
    }
    service.answers("POST", "/range-tests", Answer(422, problem))

    with pytest.raises(Refused, match=r"/start_lr: must be less than end_lr") as refused:
        client.range_test("digits-mlp", start_lr=1.0, end_lr=0.1)

    assert refused.value.status == 422
    assert refused.value.code == "invalid_request"


def test_an_answer_that_is_no_problem_json_is_still_a_sentence(client: Client, service: Service) -> None:
    service.answers("GET", JOB, Answer(502, b"<html>bad gateway</html>"))

    with pytest.raises(Refused, match="502 Bad Gateway"):
        client.job(JOB_ID)


def test_the_api_key_is_a_bearer_token(service: Service) -> None:
    service.answers("GET", JOB, Answer(body=job()))

    with Client(service.url, "secret") as client:
        client.job(JOB_ID)

    assert service.requests[0].headers["authorization"] == "Bearer secret"


def test_waiting_is_a_long_poll_that_honours_retry_after(client: Client, service: Service) -> None:
    waiting = submitted(client, service)
    service.answers(
        "GET", JOB, Answer(body=job("running"), headers={"Retry-After": "1"}), Answer(body=job("succeeded"))
    )

    started_at = time.monotonic()
    waiting.wait()

    assert time.monotonic() - started_at >= 1.0
    assert [request.query for request in service.heard("GET", JOB)] == [{"wait_s": "30.0"}] * 2


def test_a_stream_that_breaks_before_its_first_event_is_resumed_from_its_first_id(
    client: Client, service: Service
) -> None:
    begun, told = b"retry: 1000\nid: 5.000000\n\n", b"event: status\ndata: {}\nid: 6.000000\n\n"
    service.answers("GET", "/events", Answer(body=begun), Answer(body=begun + told))

    heard = next(client.events())

    assert (heard.name, heard.id) == ("status", "6.000000")
    assert [request.headers.get("last-event-id") for request in service.heard("GET", "/events")] == [
        None,
        "5.000000",
    ]


def test_a_service_without_events_is_asked_instead(client: Client, service: Service) -> None:
    followed = submitted(client, service)
    service.answers("GET", JOB, Answer(body=job("running")), Answer(body=job("succeeded")))

    heard = [(event.name, event.data["status"]) for event in followed.events()]

    assert heard == [("status", "running"), ("status", "succeeded"), ("end", "succeeded")]


def test_waiting_tells_of_progress(client: Client, service: Service) -> None:
    waiting = submitted(client, service)
    halfway = {"phase": "test", "completed": 50, "total": 100, "unit": "steps"}
    service.answers("GET", JOB, Answer(body=job("running", progress=halfway)), Answer(body=job("succeeded")))
    seen: list[tuple[str, object]] = []

    waiting.wait(on_progress=lambda job: seen.append((job.status, job.progress.get("completed"))))

    assert seen == [("running", 50), ("succeeded", None)]


def test_waiting_ends_in_time_and_leaves_the_job_alone(client: Client, service: Service) -> None:
    waiting = submitted(client, service)
    service.answers("GET", JOB, Answer(body=job("running"), headers={"Retry-After": "60"}))

    with pytest.raises(StillRunning, match="it goes on"):
        waiting.wait(timeout_s=0.1)

    assert not service.heard("POST", f"{JOB}/cancel")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (job("failed", reason="out_of_memory", message="CUDA out of memory"), "out_of_memory"),
        (job("cancelled"), "cancelled"),
    ],
)
def test_waiting_for_a_job_without_a_result_raises_its_reason(
    client: Client, service: Service, answer: dict[str, object], reason: str
) -> None:
    service.answers("GET", JOB, Answer(body=answer))

    with pytest.raises(JobFailed) as failed:
        submitted(client, service).wait()

    assert failed.value.reason == reason


def test_inconclusive_carries_why_and_the_next_experiment(client: Client, service: Service) -> None:
    service.answers("GET", f"{JOB}/bounds", Answer(409, INCONCLUSIVE))

    answer = submitted(client, service).bounds()

    assert isinstance(answer, Inconclusive)
    assert answer.why == "flat"
    assert answer.next_experiment["request"] == {"end_lr": 10.0}


def test_bounds_of_a_running_job_are_not_ready(client: Client, service: Service) -> None:
    service.answers("GET", f"{JOB}/bounds", Answer(202, job("running")))

    with pytest.raises(NotReady):
        submitted(client, service).bounds()


def test_bounds_of_a_failed_job_raise_its_reason(client: Client, service: Service) -> None:
    problem = {"code": "job_failed", "reason": "crashed", "detail": "SIGSEGV"}
    service.answers("GET", f"{JOB}/bounds", Answer(409, problem))

    with pytest.raises(JobFailed, match="crashed: SIGSEGV"):
        submitted(client, service).bounds()


def test_the_list_goes_through_all_pages(client: Client, service: Service) -> None:
    pages = [
        Answer(body={"items": [job(), job()], "next_page_token": "t1"}),
        Answer(body={"items": [job("succeeded")], "next_page_token": None}),
    ]
    service.answers("GET", "/range-tests", *pages)

    listed = list(client.range_tests(workload="digits-mlp"))

    assert [one.status for one in listed] == ["queued", "queued", "succeeded"]
    queries = [request.query for request in service.heard("GET", "/range-tests")]
    assert queries == [{"workload": "digits-mlp"}, {"workload": "digits-mlp", "page_token": "t1"}]


@pytest.mark.parametrize(
    ("id", "path", "answer", "kind"),
    [(JOB_ID, JOB, job("running"), RangeTest), (TRAINING_ID, TRAINING, training("running"), TrainingJob)],
)
def test_a_job_of_either_kind_is_found_by_its_id(
    client: Client, service: Service, id: str, path: str, answer: dict[str, object], kind: type
) -> None:
    service.answers("GET", path, Answer(body=answer))

    found = client.job(id)

    assert type(found) is kind
    assert found.status == "running"


def test_a_list_of_every_kind_holds_each_as_what_it_is(client: Client, service: Service) -> None:
    listed = [training(), job(), job(kind="of tomorrow")]
    service.answers("GET", "/jobs", Answer(body={"items": listed, "next_page_token": None}))

    assert list(map(repr, client.jobs(search="a b", tag="nightly", driver="client"))) == [
        f"<TrainingJob {TRAINING_ID} queued>",
        f"<RangeTest {JOB_ID} queued>",
        f"<Job {JOB_ID} queued>",
    ]
    assert service.heard("GET", "/jobs")[0].query == {"search": "a b", "tag": "nightly", "driver": "client"}


def test_a_job_can_be_cancelled_drawn_and_deleted(client: Client, service: Service) -> None:
    one = submitted(client, service)
    service.answers("POST", f"{JOB}/cancel", Answer(202, job("cancelling")))
    service.answers("GET", f"{JOB}/plot.png", Answer(body=b"\x89PNG"))
    service.answers("GET", f"{JOB}/curve", Answer(body={"complete": True, "runs": []}))
    service.answers("DELETE", JOB, Answer(204, b""))

    assert one.cancel().status == "cancelling"
    assert one.plot("png") == b"\x89PNG"
    assert one.curve(max_points=10) == {"complete": True, "runs": []}
    one.delete()
    assert service.heard("GET", f"{JOB}/curve")[0].query == {"max_points": "10"}


def test_an_address_without_a_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match="http://"):
        Client("localhost:8000")


QUEUED = {"workload": "digits-mlp", "created_at": "2026-11-25T12:00:05Z"}


@pytest.mark.parametrize(
    ("workloads", "fields", "why"),
    [
        ([], {}, "no worker runs digits-mlp now"),
        (["digits-cnn"], {}, "no worker runs digits-mlp now"),
        (["digits-mlp"], {}, "2 jobs before it"),
        (["digits-mlp"], {"priority": "high"}, "1 job before it"),
        (["digits-mlp"], {"priority": "low"}, "2 jobs before it"),
        (["digits-mlp"], {"comparison_id": "c"}, "2 jobs before it"),
        (["digits-mlp"], {"attempt": 1}, "its worker was lost or stopped, 2 jobs before it"),
    ],
)
def test_a_queued_job_tells_what_it_waits_for(
    client: Client, service: Service, workloads: list[str], fields: dict[str, object], why: str
) -> None:
    others = [job(created_at=f"2026-11-25T12:00:0{second}Z") for second in (4, 6)]
    service.answers("GET", "/workers", Answer(body={"items": [{"workloads": workloads}]}))
    service.answers("GET", "/jobs", Answer(body={"items": others[:1]}))
    service.answers("POST", "/range-tests", Answer(202, job(**QUEUED, **fields)))

    assert client.range_test("digits-mlp").why_queued() == why


def test_bounds_can_be_pickled_and_copied(client: Client, service: Service) -> None:
    service.answers("GET", f"{JOB}/bounds", Answer(body=BOUNDS))
    bounds = submitted(client, service).bounds()

    assert pickle.loads(pickle.dumps(bounds)) == copy.deepcopy(bounds) == bounds


def test_bounds_are_drawn_by_the_service(client: Client, service: Service, tmp_path: Path) -> None:
    service.answers("GET", f"{JOB}/bounds", Answer(body=BOUNDS))
    service.answers("GET", f"{JOB}/plot.pdf", Answer(body=b"%PDF"))

    submitted(client, service).bounds().plot(tmp_path / "curve.pdf")

    assert (tmp_path / "curve.pdf").read_bytes() == b"%PDF"
