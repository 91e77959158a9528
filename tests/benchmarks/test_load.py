"""`python -m benchmarks.load` asks a real service for everything that it names."""

import pytest

from benchmarks.load import Crowd, main


def test_a_small_crowd_is_answered_and_the_training_keeps_its_lease(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(Crowd(polls=2, streams=2, plots=1, curves=1, points=1_000, hold_s=1, settle_s=0))

    rows = {line[:14].strip(): line[14:].strip() for line in capsys.readouterr().out.splitlines()}
    assert rows["long-polls"] == rows["event streams"] == "{'200': 2}"
    assert rows["plot.png"] == rows["full curves"] == "{'200': 1}"
    assert rows["leases lost"].startswith("0 ")
    assert "'200'" in rows["GET one"]
    assert "'200'" in rows["/healthz"]
