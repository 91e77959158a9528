"""With --json stdout is one JSON document whatever comes of a command; and a terminal's encoding breaks nothing."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from clr_tuner.commands.cli import main
from tests.clr_tuner.conftest import (
    BOUNDS,
    COMPARED,
    COMPARISON,
    COMPARISON_ID,
    INCONCLUSIVE,
    JOB,
    JOB_ID,
    TRAINED,
    TRAINING,
    TRAINING_ID,
    Answer,
    Service,
    comparison,
    job,
    training,
)

POLICIES = ("--policy", "fixed", "--policy", "hann")


def run(service: Service, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--json"], env={"CLR_URL": service.url, "NO_COLOR": "1"})


def laid_down(service: Service, *, status: str, bounds: Answer | None = None, **fields: Any) -> None:
    service.answers("POST", "/range-tests", Answer(202, job()))
    service.answers("GET", JOB, Answer(body=job(status, **fields)))
    service.answers("GET", f"{JOB}/bounds", bounds or Answer(body=BOUNDS))
    service.answers("POST", "/training-jobs", Answer(202, training()))
    service.answers("GET", TRAINING, Answer(body=training(status, result=TRAINED, **fields)))
    service.answers("POST", "/comparisons", Answer(202, comparison()))
    service.answers("GET", COMPARISON, Answer(body=comparison(status, **COMPARED)))


RANGE_TEST = ("range-test", "digits-mlp")
TRAIN = ("train", "digits-mlp")
COMPARE = ("compare", "digits-mlp", *POLICIES)
FAILED = {"reason": "crashed", "message": "SIGSEGV"}


@pytest.mark.parametrize(
    ("command", "fields", "id", "exit_code"),
    [
        (RANGE_TEST, {"status": "succeeded"}, JOB_ID, 0),
        (RANGE_TEST, {"status": "succeeded", "bounds": Answer(409, INCONCLUSIVE)}, JOB_ID, 3),
        (RANGE_TEST, {"status": "failed", **FAILED}, JOB_ID, 1),
        (RANGE_TEST, {"status": "cancelled"}, JOB_ID, 1),
        (("bounds", JOB_ID), {"status": "succeeded"}, JOB_ID, 0),
        (("bounds", JOB_ID), {"status": "running", "bounds": Answer(202, job("running"))}, JOB_ID, 1),
        (TRAIN, {"status": "succeeded"}, TRAINING_ID, 0),
        (TRAIN, {"status": "succeeded", "outcome": "diverged"}, TRAINING_ID, 4),
        (TRAIN, {"status": "failed", **FAILED}, TRAINING_ID, 1),
        ((*TRAIN, "--plot", "/dev/x.svg"), {"status": "succeeded"}, TRAINING_ID, 1),
        ((*TRAIN, "--checkpoint", "/dev/x.pt"), {"status": "succeeded"}, TRAINING_ID, 1),
        (COMPARE, {"status": "succeeded"}, COMPARISON_ID, 0),
        (COMPARE, {"status": "failed"}, COMPARISON_ID, 1),
    ],
)
def test_whatever_comes_of_it_stdout_is_one_document_with_the_id(
    service: Service, command: tuple[str, ...], fields: dict[str, Any], id: str, exit_code: int
) -> None:
    laid_down(service, **fields)
    service.answers("GET", f"{TRAINING}/plot.svg", Answer(409, {"code": "no_points", "detail": "nothing"}))

    result = run(service, *command)

    told = json.loads(result.stdout)
    assert result.exit_code == exit_code
    assert told["id"] == id
    assert told["links"]["self"].endswith(id)


@pytest.mark.parametrize(
    ("command", "code", "exit_code"),
    [
        ((*RANGE_TEST, "--num-seeds", "many"), "usage", 2),
        ((*RANGE_TEST, "--num-seed", "3"), "usage", 2),
        ((*TRAIN, "--policy", "zigzag"), "usage", 2),
        (("schedule", "zigzag"), "usage", 2),
        (("status", "x"), "client_error", 1),
        (("comparisons", "x"), "client_error", 1),
        (("statsu", JOB_ID), "usage", 2),
    ],
)
def test_a_refusal_is_one_document_too(
    service: Service, command: tuple[str, ...], code: str, exit_code: int
) -> None:
    result = run(service, *command)

    told = json.loads(result.stdout)
    assert (told["code"] or "client_error", result.exit_code) == (code, exit_code)
    assert told["detail"]


def test_nobody_there_is_one_document_too(service: Service) -> None:
    service.close()

    result = run(service, *RANGE_TEST)

    told = json.loads(result.stdout)
    assert (told["code"], result.exit_code) == ("unreachable", 1)
    assert "clr-tuner serve" in told["detail"]


def command_line(*arguments: str, **environment: str) -> list[str]:
    return [str(Path(sys.executable).parent / "clr-tuner"), *arguments]


def test_ctrl_c_is_one_document_too(service: Service) -> None:
    service.answers("POST", "/range-tests", Answer(202, job()))
    service.answers("GET", JOB, Answer(body=job("running"), headers={"Retry-After": "60"}))
    service.answers("POST", f"{JOB}/cancel", Answer(202, job("cancelling")))
    command = command_line(*RANGE_TEST, "--url", service.url, "--json")

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for _ in range(2):  # its id, then the first progress
            process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate()

    assert process.returncode == 130
    assert (json.loads(said)["id"], json.loads(said)["status"]) == (JOB_ID, "cancelling")


def test_whoever_waits_is_told_that_nobody_answers_and_that_somebody_does_again(service: Service) -> None:
    laid_down(service, status="succeeded")
    service.answers(
        "GET", JOB, Answer(drop=True), Answer(503, {"detail": "starting"}), Answer(body=job("succeeded"))
    )

    ran = subprocess.run(
        command_line(*RANGE_TEST, "--url", service.url), capture_output=True, text=True, check=True
    )

    said = ran.stderr.splitlines()
    assert said[0] == f"job {JOB_ID}"
    assert said[1].startswith(f"no answer from {service.url}: ")
    assert said[1].endswith("trying again, for up to 30 s")
    assert said[2:] == [f"{service.url} answers again", "succeeded"]


def test_whoever_waits_in_the_queue_is_told_what_for(service: Service) -> None:
    queued = Answer(body=job("queued", workload="digits-mlp"))
    laid_down(service, status="succeeded")
    service.answers("GET", JOB, *[queued] * 6, Answer(body=job("succeeded")))
    service.answers("GET", "/workers", Answer(body={"items": []}))

    result = run(service, *RANGE_TEST)

    assert result.stderr.splitlines()[1:] == ["queued", "queued: no worker runs digits-mlp now", "succeeded"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_that_cannot_spell_a_name_shows_it_spelled_out(service: Service, encoding: str) -> None:
    body = comparison("succeeded", **COMPARED, name="größe 漢字 \ud800")
    service.answers("GET", "/comparisons", Answer(body={"items": [body], "next_page_token": None}))
    service.answers("GET", COMPARISON, Answer(body=body))
    environment = os.environ | {"PYTHONIOENCODING": encoding, "CLR_URL": service.url}

    for arguments in (("--help",), ("train", "--help"), ("comparisons",), ("comparisons", COMPARISON_ID)):
        ran = subprocess.run(command_line(*arguments), env=environment, capture_output=True, check=False)

        assert ran.returncode == 0, ran.stderr
        assert ran.stdout


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_entries_are_read_whatever_unicode_encoding_they_have(
    service: Service, tmp_path: Path, encoding: str
) -> None:
    laid_down(service, status="succeeded")
    entries = [{"schedule": {"policy": "fixed", "lr": 0.1}, "label": "größe 漢"}]
    file = tmp_path / "en tries %2F ü.json"
    file.write_bytes(json.dumps(entries, ensure_ascii=False).encode(encoding))

    assert run(service, "compare", "digits-mlp", "--entries", str(file)).exit_code == 0
    assert service.heard("POST", "/comparisons")[0].body["entries"] == entries


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('["größe"]'.encode("latin-1"), "it is not UTF-8: byte 0xf6 at position 4"),
        (b'["fixed",]', "line 1, column 10"),
        (b'{"schedule": 1}', "must hold a list of entries, not an object"),
        (b'[{"label": 1, "label": 2}]', "stands twice"),
    ],
)
def test_entries_that_cannot_be_read_are_told_where(
    service: Service, tmp_path: Path, content: bytes, told: str
) -> None:
    file = tmp_path / "entries.json"
    file.write_bytes(content)

    result = run(service, "compare", "digits-mlp", "--entries", str(file))

    assert result.exit_code == 2
    assert told in json.loads(result.stdout)["detail"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("range-tests", "x"), "Did you mean 'range-test'"),
        ((*RANGE_TEST, "--num-seed", "3"), "--num-seeds"),
        ((*TRAIN, "--policy", "triangualr"), "did you mean triangular?"),
        ((*TRAIN, "--policy", "hann", "--stepsize", "3"), "did you mean --step-size?"),
        ((*TRAIN, "--num-cycle", "3"), "did you mean --num-cycles?"),
        (("compare", "digits-mlp", "--policy", "fixd"), "did you mean fixed?"),
        (("compare", "digits-mlp", "--preset", "papr"), "paper"),
        (("schedule", "one-cycle"), "did you mean one_cycle?"),
        (("schedule", "fixed", "--lr", "1", "--plto", "a.svg"), "did you mean --plot?"),
        (("schedule", "fixed", "--lr", "1", "--lr", "2"), "--lr is given twice"),
        ((*RANGE_TEST, "--param", "hidden=1", "--param", "hidden=2"), "hidden is given twice"),
    ],
)
def test_a_typo_is_told_what_was_meant(service: Service, command: tuple[str, ...], told: str) -> None:
    result = run(service, *command)

    assert result.exit_code == 2
    assert told in json.loads(result.stdout)["detail"]
    assert not service.requests
