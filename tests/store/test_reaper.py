"""The reaper as a process starts it."""

import logging

import pytest

from store.database import Database
from store.reaper import Reaper
from store.ringer import Ringer
from store.settings import Settings


def test_a_setting_under_its_old_name_is_logged(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CLR_SWEEP_S", "7")
    reaper = Reaper(database, settings, Ringer(database, settings))

    with caplog.at_level(logging.WARNING):
        reaper.start()
    reaper.stop()

    assert "CLR_SWEEP_S is called CLR_REAP_S now" in caplog.text
