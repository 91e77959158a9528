"""One record is one line, whatever is in it, and names what it belongs to."""

import logging
import re
import sys
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest

from store import logs
from store.settings import Settings

Lines = Callable[[], list[dict[str, Any]]]
log = logging.getLogger("somebody")


class Unprintable:
    """Refuses to be shown."""

    def __repr__(self) -> str:
        raise ArithmeticError


def text(message: str, **given: Any) -> str:
    """A record as text."""
    record = logging.makeLogRecord({"name": "n", "levelname": "INFO", "msg": message} | given)
    logs.complete(record)
    return re.sub(r"^\S+ \S+ ", "", logs.TextLines().format(record))


def test_a_line_tells_when_how_serious_who_and_what(log_lines: Lines) -> None:
    log.warning("%d of %d", 1, 2)

    (line,) = log_lines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line.pop("time"))
    assert line.pop("pid") > 0
    assert line == {"level": "WARNING", "logger": "somebody", "message": "1 of 2"}


def test_every_thread_of_a_running_attempt_names_it(log_lines: Lines) -> None:
    with logs.running("j", 2):
        log.info("here")
        thread = Thread(target=log.info, args=("there",))
        thread.start()
        thread.join()
    log.info("after")

    here, there, after = log_lines()
    assert (here["job_id"], here["attempt"]) == (there["job_id"], there["attempt"]) == ("j", 2)
    assert "job_id" not in after


def test_an_id_that_was_given_is_kept(log_lines: Lines) -> None:
    with logs.running("ours", 1):
        log.info("of another", extra={"job_id": "theirs", "attempt": 3})

    (line,) = log_lines()
    assert (line["job_id"], line["attempt"]) == ("theirs", 3)


def test_a_traceback_is_in_its_line(log_lines: Lines) -> None:
    try:
        raise ArithmeticError("the reason")
    except ArithmeticError:
        log.exception("it failed")

    (line,) = log_lines()
    assert line["traceback"].endswith("ArithmeticError: the reason")


@pytest.mark.parametrize(
    "value",
    [float("nan"), Unprintable(), {(1, 2): 3}, "\ud800", b"\xff", {1}],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_json_does_not_have_breaks_no_line(log_lines: Lines, value: object) -> None:
    around: list[object] = [value]
    around.append(around)

    log.info("a value", extra={"value": value, "around": around})
    log.info({"value": value, (1, 2): value})
    log.info("%s", value)
    log.info("%d", value)

    assert [line["level"] for line in log_lines()] == ["INFO"] * 4


def test_text_shows_the_ids_there_are() -> None:
    assert text("hello") == "INFO n: hello"
    assert text("hello", job_id="j", attempt=1) == "INFO n [job_id=j attempt=1]: hello"
    assert text("hello", request_id="r") == "INFO n [request_id=r]: hello"


def test_logging_that_is_set_up_already_is_left_alone() -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level, sys.excepthook)
    assert root.handlers

    logs.set_up(Settings(log_format="json", log_level="CRITICAL"))

    assert before == (list(root.handlers), root.level, sys.excepthook)


def test_a_message_begins_no_line_and_steers_no_terminal() -> None:
    assert text("a\nERROR b \x1b[2J \u202e é 猫") == "INFO n: a\\nERROR b \\x1b[2J \\u202e é 猫"
