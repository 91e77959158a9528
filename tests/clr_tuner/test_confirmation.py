"""Bounds confirmed and curves analysed, through the client and the command line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from clr.confirmation import Verdict
from clr_tuner.client import Client
from clr_tuner.commands.cli import main
from clr_tuner.range_test import RangeTest
from tests.clr_tuner.conftest import (
    BOUNDS,
    COMPARED,
    COMPARISON,
    COMPARISON_ID,
    JOB,
    JOB_ID,
    TRAINING_ID,
    Answer,
    Service,
    comparison,
    job,
)

VERDICT: dict[str, Any] = {
    "outcome": "adjusted",
    "base_lr": 0.005,
    "max_lr": 0.05,
    "margin": 0.012,
    "message": "max_lr / 2 was better beyond the noise",
}
VALLEY = {
    "analyzer": "valley@1",
    "outcome": "lr_found",
    "result": {"lr": 0.02, "note": "fastai's default"},
    "created_at": "2026-11-25T12:00:05.000000Z",
}
NO_LR = VALLEY | {"outcome": "no_lr", "result": {"lr": None, "note": "it reads an exponential sweep"}}
OURS = VALLEY | {"analyzer": "bounds@9", "outcome": "bounds_found", "result": BOUNDS}
NOTHING = OURS | {
    "outcome": "inconclusive",
    "result": {"why": "flat", "message": "The loss never changes.", "next_experiment": {}, "candidates": []},
}


@pytest.fixture
def range_test(service: Service) -> Iterator[RangeTest]:
    service.answers("GET", JOB, Answer(body=job("succeeded")))
    with Client(service.url, retry_s=5) as client:
        found = client.job(JOB_ID)
        assert isinstance(found, RangeTest)
        yield found


def run(service: Service, *arguments: str) -> Result:
    service.answers("GET", JOB, Answer(body=job("succeeded")))
    environment = {"CLR_URL": service.url, "NO_COLOR": "1", "COLUMNS": "200"}
    return CliRunner().invoke(main, arguments, env=environment)


def confirmed(service: Service, verdict: dict[str, Any] | None = VERDICT) -> None:
    ended = comparison("succeeded", **COMPARED)
    service.answers("POST", f"{JOB}/confirmations", Answer(202, comparison()))
    service.answers("GET", COMPARISON, Answer(body=ended))
    older = {"comparison": comparison("failed", id="older"), "verdict": None}
    items = [{"comparison": ended, "verdict": verdict}, older]
    service.answers("GET", f"{JOB}/confirmations", Answer(body={"items": items}))


def test_a_confirmation_is_a_comparison_to_wait_for_and_then_a_verdict(
    service: Service, range_test: RangeTest
) -> None:
    confirmed(service)

    trained = range_test.confirm(num_seeds=5, num_cycles=1).wait()
    newest, older = range_test.confirmations()

    assert [row.label for row in trained.rows] == ["fixed", "CLR", "wild"]
    assert service.heard("POST", f"{JOB}/confirmations")[0].body == {"num_seeds": 5, "num_cycles": 1}
    assert (newest.comparison.id, newest.verdict) == (COMPARISON_ID, Verdict(**VERDICT))
    assert (older.comparison.status, older.verdict) == ("failed", None)


def test_a_curve_is_read_again_by_a_rule(service: Service, range_test: RangeTest) -> None:
    service.answers("POST", f"{JOB}/analyses", Answer(body=OURS), Answer(body=VALLEY))
    service.answers("GET", f"{JOB}/analyses", Answer(body={"items": [VALLEY, OURS]}))

    ours, valley = range_test.analyse(), range_test.analyse(rule="valley")

    assert (ours.result["max_lr"], valley.result["lr"]) == (0.1, 0.02)
    assert [request.body["rule"] for request in service.heard("POST", f"{JOB}/analyses")] == [
        "bounds",
        "valley",
    ]
    assert range_test.analyses() == [valley, ours]


def test_confirm_prints_the_table_and_the_verdict(service: Service, tmp_path: Path) -> None:
    confirmed(service)
    service.answers("GET", f"{COMPARISON}/plot.svg", Answer(body=b"<svg/>"))

    result = run(service, "confirm", JOB_ID, "--num-epochs", "8", "--plot", str(tmp_path / "c.svg"))

    assert result.exit_code == 0, result.stderr
    assert service.heard("POST", f"{JOB}/confirmations")[0].body == {"num_epochs": 8.0}
    assert "FINAL ACCURACY" in result.stdout
    assert result.stdout.splitlines()[-2:] == [
        "adjusted: base_lr 0.005, max_lr 0.05",
        "margin 0.012: max_lr / 2 was better beyond the noise",
    ]
    assert (tmp_path / "c.svg").read_bytes() == b"<svg/>"


def test_confirm_prints_json_for_a_program(service: Service) -> None:
    confirmed(service)

    assert json.loads(run(service, "confirm", JOB_ID, "--json").stdout)["verdict"] == VERDICT


def test_where_every_cycle_diverged_confirm_exits_4(service: Service) -> None:
    confirmed(service, verdict=None)

    result = run(service, "confirm", JOB_ID)

    assert result.exit_code == 4
    assert "no verdict" in result.stdout


def test_without_bounds_confirm_says_so(service: Service) -> None:
    problem = {"code": "no_bounds", "detail": "there are no bounds to confirm: it is queued"}
    service.answers("POST", f"{JOB}/confirmations", Answer(409, problem))

    result = run(service, "confirm", JOB_ID)

    assert result.exit_code == 1
    assert "no bounds to confirm: it is queued" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "answer", "exit_code", "told"),
    [
        ([], OURS, 0, ["bounds@9", "base_lr  0.01         between 0.008 and 0.012"]),
        ([], NOTHING, 3, ["bounds@9", "inconclusive (flat): The loss never changes."]),
        (["--rule", "valley"], VALLEY, 0, ["valley@1: lr 0.02", "fastai's default"]),
        (["--rule", "valley"], NO_LR, 3, ["valley@1: lr none", "it reads an exponential sweep"]),
    ],
)
def test_analyse_prints_what_the_rule_says(
    service: Service, arguments: list[str], answer: dict[str, Any], exit_code: int, told: list[str]
) -> None:
    service.answers("POST", f"{JOB}/analyses", Answer(body=answer))

    result = run(service, "analyse", JOB_ID, *arguments)
    as_json = run(service, "analyse", JOB_ID, *arguments, "--json")

    assert result.exit_code == as_json.exit_code == exit_code
    assert result.stdout.splitlines()[:2] == told
    assert json.loads(as_json.stdout).items() >= {**answer, "id": JOB_ID}.items()


@pytest.mark.parametrize("command", ["confirm", "analyse"])
def test_a_training_job_is_no_range_test(service: Service, command: str) -> None:
    service.answers(
        "GET", f"/training-jobs/{TRAINING_ID}", Answer(body=job(id=TRAINING_ID, kind="training_job"))
    )

    result = run(service, command, TRAINING_ID)

    assert result.exit_code == 2
    assert "is a training job" in result.stderr
