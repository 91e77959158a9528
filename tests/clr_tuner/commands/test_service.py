"""What the commands of those who run the service say about its settings."""

import re

import pytest
from typer.testing import CliRunner, Result

from clr_tuner.commands.cli import main
from store.settings import get_settings


@pytest.fixture(autouse=True)
def _settings_are_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clr_tuner.embedded.settings.get_settings", get_settings.__wrapped__)


def settings(**variables: str) -> Result:
    return CliRunner().invoke(main, ["settings"], env=variables)


def test_settings_show_no_secret() -> None:
    shown = settings(
        CLR_DATABASE_URL="postgresql+psycopg:///clr?host=/run/pg&user=u&password=hunter22",
        CLR_BROKER_URL="redis://:hunter22@localhost/0",
        CLR_API_KEYS='["hunter22"]',
    )

    assert shown.exit_code == 0, shown.output
    assert "host=/run/pg&user=u&password=***" in shown.output
    assert "hunter22" not in shown.output


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLR_BROKER_URL", "redis://:a[hunter22@localhost:6379/0"),
        ("CLR_DATABASE_URL", "hunter22"),
        ("CLR_API_KEYS", "hunter22"),
        ("CLR_API_KEYS", '["hun22"]'),
        ("CLR_PORT", "hunter22"),
    ],
)
def test_a_wrong_value_is_a_sentence_that_names_its_variable(name: str, value: str) -> None:
    refused = settings(**{name: value})

    assert refused.exit_code == 1
    assert f"error: {name}: " in refused.output
    assert "hunter22" not in refused.output
    assert "hun22" not in refused.output


def test_a_misspelt_variable_is_told_and_a_workloads_own_is_not() -> None:
    shown = settings(CLR_DATADIR="x", CLR_CIFAR_MIRROR="y")

    assert shown.exit_code == 0
    assert "CLR_DATADIR; did you mean CLR_DATA_DIR?" in shown.output
    assert "CLR_CIFAR_MIRROR" not in shown.output


def test_a_bad_value_is_told_under_the_name_it_was_given_by() -> None:
    refused = settings(CLR_SWEEP_S="soon")

    assert refused.exit_code == 1
    assert "error: CLR_SWEEP_S: " in refused.output


def test_a_variable_under_its_old_name_is_read_and_told() -> None:
    shown = settings(CLR_SWEEP_S="7")

    assert "CLR_SWEEP_S is called CLR_REAP_S now" in shown.output
    assert re.search(r"CLR_REAP_S +7\.0", shown.output)
