"""Training jobs through the Python client."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clr_tuner.client import Client
from clr_tuner.errors import JobFailed, Refused, Unreachable
from clr_tuner.training_job import TrainingJob
from tests.clr_tuner.conftest import (
    JOB,
    JOB_ID,
    TRAINED,
    TRAINING,
    TRAINING_ID,
    Answer,
    Service,
    checkpoint,
    job,
    training,
)

CHECKPOINT = f"{TRAINING}/checkpoints/515"


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url, retry_s=5) as client:
        yield client


@pytest.fixture
def submitted(client: Client, service: Service) -> TrainingJob:
    service.answers("POST", "/training-jobs", Answer(202, training()))
    return client.train("digits-mlp")


def test_the_request_holds_what_was_given_and_nothing_else(client: Client, service: Service) -> None:
    service.answers("POST", "/training-jobs", Answer(202, training()))

    client.train("digits-mlp")
    client.train(schedule="one_cycle", range_test_id=JOB_ID, optimizer="Adam", num_epochs=8.0, seed=None)

    minimal, full = service.heard("POST", "/training-jobs")
    assert minimal.body == {"workload": "digits-mlp"}
    assert full.body == {
        "schedule": {"policy": "one_cycle"},
        "range_test_id": JOB_ID,
        "optimizer": {"name": "Adam"},
        "num_epochs": 8.0,
    }
    assert minimal.headers["idempotency-key"] != full.headers["idempotency-key"]


def test_the_result_says_what_was_trained_and_how_well(submitted: TrainingJob, service: Service) -> None:
    service.answers("GET", TRAINING, Answer(body=training("succeeded", result=TRAINED, warnings=["rounded"])))
    assert submitted.result is None

    result = submitted.wait().result

    assert result is not None
    assert (result.schedule["max_lr"], result.num_steps, result.stopped_early) == (0.1, 688, False)
    assert (result.final.step, result.best.accuracy) == (687, 0.9875)
    assert submitted.warnings == ("rounded",)


def test_a_job_that_diverged_at_once_has_no_cycle_ends(submitted: TrainingJob, service: Service) -> None:
    nothing = TRAINED | {"final": None, "best": None}
    service.answers("GET", TRAINING, Answer(body=training("succeeded", outcome="diverged", result=nothing)))

    result = submitted.wait().result

    assert submitted.outcome == "diverged"
    assert (result.final, result.best) == (None, None)


def test_waiting_tells_of_the_range_test_first(submitted: TrainingJob, service: Service) -> None:
    statuses = ["queued", "queued", "queued", "running", "succeeded"]
    service.answers("GET", TRAINING, *(Answer(body=training(status)) for status in statuses))
    service.answers("GET", JOB, *(Answer(body=job(status)) for status in ("queued", "running", "succeeded")))
    seen: list[tuple[str, str]] = []

    submitted.wait(on_progress=lambda one: seen.append((one.kind, one.status)))

    assert seen == [
        ("range_test", "queued"),
        ("range_test", "running"),
        ("training_job", "queued"),
        ("training_job", "running"),
        ("training_job", "succeeded"),
    ]


def test_waiting_for_a_job_whose_range_test_found_nothing_raises_its_own_reason(
    submitted: TrainingJob, service: Service
) -> None:
    why = "the range test is inconclusive"
    service.answers("GET", TRAINING, Answer(body=training("failed", reason="no_bounds", message=why)))

    with pytest.raises(JobFailed, match=why):
        submitted.wait(on_progress=lambda _: None)

    assert not service.heard("GET", JOB)


def test_a_job_with_rates_of_its_own_has_no_range_test(client: Client, service: Service) -> None:
    service.answers("POST", "/training-jobs", Answer(202, training(links={"self": TRAINING})))

    assert client.train("digits-mlp", {"policy": "fixed", "lr": 0.1}).range_test() is None


def test_resuming_makes_a_new_job(submitted: TrainingJob, service: Service) -> None:
    service.answers("POST", f"{TRAINING}/resume", Answer(202, training(id=JOB_ID)))

    assert submitted.resume(num_cycles=2, name="longer").id == JOB_ID

    [request] = service.heard("POST", f"{TRAINING}/resume")
    assert request.body == {"num_cycles": 2, "name": "longer"}
    assert request.headers["idempotency-key"]


def test_the_list_goes_through_all_pages(client: Client, service: Service) -> None:
    pages = [
        {"items": [training()], "next_page_token": "t1"},
        {"items": [training()], "next_page_token": None},
    ]
    service.answers("GET", "/training-jobs", *(Answer(body=page) for page in pages))

    assert [one.id for one in client.training_jobs(workload="digits-mlp")] == [TRAINING_ID, TRAINING_ID]


def test_checkpoints_are_listed(submitted: TrainingJob, service: Service) -> None:
    items = [checkpoint(687), checkpoint(515, best=True)]
    service.answers("GET", f"{TRAINING}/checkpoints", Answer(body={"items": items}))

    assert [(kept.step, kept.best) for kept in submitted.checkpoints()] == [(687, False), (515, True)]


def test_a_checkpoint_is_written_as_it_was_sent(
    submitted: TrainingJob, service: Service, tmp_path: Path
) -> None:
    sent = bytes(range(256)) * 1000
    cut_short = Answer(body=sent, cut=100_000)
    service.answers("GET", CHECKPOINT, cut_short, Answer(503, {}), Answer(body=sent))

    submitted.download(515, tmp_path / "best.pt")

    assert (tmp_path / "best.pt").read_bytes() == sent
    assert [file.name for file in tmp_path.iterdir()] == ["best.pt"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(409, {"code": "checkpoint_elsewhere", "detail": "it lies on gpu-box"}), Refused),
        (Answer(body=b"0123456789", cut=5), Unreachable),
    ],
)
def test_a_checkpoint_that_does_not_come_leaves_what_was_there(
    service: Service, tmp_path: Path, answer: Answer, error: type[Exception]
) -> None:
    service.answers("POST", "/training-jobs", Answer(202, training()))
    service.answers("GET", CHECKPOINT, answer)
    (tmp_path / "best.pt").write_bytes(b"before")

    with Client(service.url, retry_s=0) as client, pytest.raises(error):
        client.train("digits-mlp").download(515, tmp_path / "best.pt")

    assert (tmp_path / "best.pt").read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["best.pt"]
