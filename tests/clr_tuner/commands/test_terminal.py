"""What others wrote cannot steer the terminal of whoever looks, whatever the command."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import clr_tuner.commands
from clr_tuner.commands.cli import main
from clr_tuner.commands.progress import ProgressReport
from clr_tuner.commands.terminal import columns, log_printably, printable
from tests.clr_tuner.conftest import (
    BOUNDS,
    COMPARED,
    COMPARISON,
    COMPARISON_ID,
    CONFIRMATION,
    INCONCLUSIVE,
    JOB,
    JOB_ID,
    TRAINED,
    TRAINING,
    TRAINING_ID,
    Answer,
    Service,
    checkpoint,
    comparison,
    job,
    training,
)

EVIL = "\x1b]0;title\x07\x1b[2J\r\u202e\x9b31m[red]"
STEERS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
OURS = {
    "id",
    "code",
    "why",
    "kind",
    "links",
    "status",
    "outcome",
    "policy",
    "metric",
    "next_page_token",
}  # that steer the client
KEY = {"id": JOB_ID, "name": "n", "project": "p", "scope": "read", "prefix": "clr_", "expires_at": "x",
       "revoked_at": "x", "secret": "clr_s"}  # fmt: skip
PROBLEM = {"code": "c", "detail": "d", "errors": [{"pointer": "/p", "message": "m"}]}
ANALYSIS = {"analyzer": "a", "outcome": "rate", "result": {"lr": 0.1, "note": "n"}, "created_at": "t"}
PARAMS = {"properties": {"a": {"default": "b"}}}
LISTED = {"name": "n", "workload": "w", "created_at": "t"}


def spoil(told: Any, name: str = "") -> Any:
    """The answer of a service whose every text was written by somebody who means ill."""
    if isinstance(told, dict):
        return {key: value if key in OURS else spoil(value, key) for key, value in told.items()}
    if isinstance(told, list):
        return [spoil(each, name) for each in told]
    return told + EVIL if isinstance(told, str) else told


def page(*items: Any) -> Any:
    return {"items": list(items), "next_page_token": None}


ANSWERS: dict[tuple[str, str], Any] = {
    ("POST", "/range-tests"): job(),
    ("GET", JOB): job("succeeded", message="m"),
    ("GET", f"{JOB}/bounds"): BOUNDS | {"confirmation": CONFIRMATION},
    ("GET", f"{JOB}/curve"): b"step,loss\r\n0," + EVIL.encode() + b"\r\n",
    ("POST", f"{JOB}/cancel"): job("cancelled"),
    ("POST", f"{JOB}/analyses"): ANALYSIS,
    ("GET", "/jobs"): page(job("running", **LISTED)),
    ("GET", f"/jobs/{JOB_ID}"): job("failed", reason="r", message="m", created_at="t"),
    ("GET", f"/jobs/{TRAINING_ID}"): training("succeeded"),
    ("POST", "/training-jobs"): training(),
    ("GET", TRAINING): training("succeeded", outcome="trained", result=TRAINED, warnings=["w"]),
    ("GET", f"{TRAINING}/checkpoints"): page(checkpoint(9, best=True)),
    ("POST", "/comparisons"): comparison(),
    ("GET", COMPARISON): comparison("succeeded") | COMPARED,
    ("GET", "/comparisons"): page(comparison("running", **LISTED)),
    ("GET", "/workloads"): page({"name": "w", "description": "d", "params_schema": PARAMS}),
    ("GET", "/keys"): page(KEY),
    ("POST", "/keys"): KEY,
    ("DELETE", f"/keys/{JOB_ID}"): KEY,
    ("GET", "/session"): {name: KEY[name] for name in ("name", "project", "scope", "expires_at")} | {"key": "k"},
}  # fmt: skip
COMMANDS = [
    "range-test digits-mlp", f"bounds {JOB_ID}", f"analyse {JOB_ID} --rule valley", "train digits-mlp",
    f"checkpoints {TRAINING_ID}", "compare digits-mlp --policy fixed", "comparisons", f"comparisons {COMPARISON_ID}",
    "jobs", f"status {JOB_ID}", f"curve {JOB_ID}", f"cancel {JOB_ID}", "workloads", "keys create me", "keys list",
    "keys whoami", f"keys revoke {JOB_ID}", f"bounds {TRAINING_ID}",
]  # fmt: skip


def run(service: Service, command: str) -> Any:
    return CliRunner().invoke(
        main, command.split(), env={"CLR_URL": service.url, "NO_COLOR": "1", "TERM": "dumb"}
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_no_answer_of_a_service_steers_the_terminal(service: Service, command: str) -> None:
    for (method, path), told in ANSWERS.items():
        body = told if isinstance(told, bytes) else spoil(told)
        service.answers(method, path, Answer(body=body))

    result = run(service, command)

    assert not result.exception or isinstance(result.exception, SystemExit), result.exception
    assert not STEERS.search(result.stdout.replace("\r\n", "\n") + result.stderr)
    assert (
        "\\x1b]0;title" in result.stdout + result.stderr
        or command == f"cancel {JOB_ID}"
        or "bounds 6" in command
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_no_refusal_steers_the_terminal(service: Service, command: str) -> None:
    for method, path in ANSWERS:
        service.answers(method, path, Answer(422, spoil(PROBLEM)))

    result = run(service, command)

    assert result.exit_code != 0
    assert "/p\\x1b" in result.stderr
    assert not STEERS.search(result.stdout + result.stderr)


def test_an_inconclusive_answer_does_not_steer_the_terminal(service: Service) -> None:
    service.answers("GET", JOB, Answer(body=job("succeeded")))
    service.answers("GET", f"{JOB}/bounds", Answer(409, spoil(INCONCLUSIVE)))

    result = run(service, f"bounds {JOB_ID}")

    assert "\\x1b]0;title" in result.stdout
    assert not STEERS.search(result.stdout + result.stderr)


def test_an_answer_of_another_program_does_not_steer_the_terminal(service: Service) -> None:
    service.answers("GET", "/jobs", Answer(500, f"<html>{EVIL}".encode()))

    result = run(service, "jobs")

    assert "\\x1b]0;title" in result.stderr
    assert not STEERS.search(result.stderr)


def test_every_command_that_asks_a_service_is_tried_here() -> None:
    """Others print what this machine says: its settings, its files, a schedule, what runs here."""
    here = {"serve", "demo", "api", "worker", "migrate", "settings", "backup", "schedule", "check-schedule", "run",
            "upload", "workload", "plot", "confirm", "resume"}  # fmt: skip
    group: Any = typer.main.get_command(main)

    assert set(group.commands) - here == {command.split()[0] for command in COMMANDS}
    assert set(group.commands["keys"].commands) == {
        command.split()[1] for command in COMMANDS if "keys" in command
    }


def test_only_one_file_prints() -> None:
    for source in Path(clr_tuner.commands.__path__[0]).glob("*.py"):
        assert source.name == "terminal.py" or "typer.echo" not in source.read_text(), source


def test_a_bar_shows_text_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "500")
    with ProgressReport() as progress:
        progress.show(f"running: {EVIL}", 1, 2, EVIL, of="a")

    shown = capsys.readouterr().err
    assert "title" in shown
    assert "[red]" in shown
    assert not re.search(r"\x1b\]|\x07|\x1b\[2J|\u202e|\x9b", shown)


def test_warnings_of_the_library_are_printed_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    last = logging.StreamHandler()
    monkeypatch.setattr(logging, "lastResort", last)

    log_printably()

    record = logging.LogRecord("clr_tuner", logging.WARNING, "", 1, "%s: trying again", (EVIL,), None)
    assert not STEERS.search(last.format(record))


def test_what_is_not_printed_is_spelled_out() -> None:
    assert printable("a\x1b[31m \u202e é 猫\nb\r\nc\r") == "a\\x1b[31m \\u202e é 猫\nb\r\nc\\r"
    assert columns([["a\x07", None], ["b\nc", 1]]) == "a\\x07\nb\\nc   1"
