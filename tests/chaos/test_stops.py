"""Ten stops in the middle of one job."""

import sys
from pathlib import Path

import pytest

from tests.e2e.stops import STOP_S, stop_and_go_on
from tests.machine import slowed

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]


def test_ten_stops_in_the_middle_of_a_job_lose_nothing(tmp_path: Path) -> None:
    took = stop_and_go_on(tmp_path, stops=10)

    sys.stdout.write(f"\nten stops, seconds each: {' '.join(f'{each:.1f}' for each in took)}\n")
    assert max(took) < slowed(STOP_S)
