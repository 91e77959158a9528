import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from clr_tuner.embedded.data_dir import lock
from clr_tuner.embedded.ports import find_free_port, refuse_taken_port
from clr_tuner.embedded.programs import api_command, make_environment, refuse_open_bind
from clr_tuner.embedded.service import EmbeddedService
from clr_tuner.embedded.settings import read_settings
from clr_tuner.errors import CannotServe
from store.settings import Settings, get_settings


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "box.example.com"])
def test_an_address_that_others_reach_is_refused_without_api_keys(host: str) -> None:
    with pytest.raises(CannotServe, match="CLR_API_KEYS"):
        refuse_open_bind(Settings(host=host))

    refuse_open_bind(Settings(host=host, api_keys=[SecretStr("a secret")]))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_no_api_keys(host: str) -> None:
    refuse_open_bind(Settings(host=host))


def test_a_taken_port_is_told_before_anything_starts(taken_port: int, tmp_path: Path) -> None:
    settings = Settings(port=taken_port, data_dir=tmp_path)

    with pytest.raises(CannotServe, match=rf"port {taken_port}: Address already in use"):
        EmbeddedService(settings, say=pytest.fail).__enter__()

    assert not list((tmp_path / "logs").iterdir())


def test_a_free_port_is_not_taken() -> None:
    refuse_taken_port("127.0.0.1", find_free_port("127.0.0.1"))


def test_a_data_directory_serves_one_service_at_a_time(tmp_path: Path) -> None:
    with lock(tmp_path), pytest.raises(CannotServe, match="already runs on the data directory"):
        lock(tmp_path)

    lock(tmp_path).close()


def test_children_read_what_the_parent_decided(tmp_path: Path) -> None:
    settings = Settings(port=1234, data_dir=tmp_path, api_keys=[SecretStr("a secret")])

    env = make_environment(settings)

    assert env["CLR_PORT"] == "1234"
    assert env["CLR_DATA_DIR"] == str(tmp_path)
    assert env["CLR_API_KEYS"] == '["a secret"]'


def test_a_data_directory_that_cannot_be_written_is_a_clear_refusal(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = Settings(port=0, data_dir=tmp_path / "file", database_url="", broker_url="")

    with (
        pytest.raises(CannotServe, match="CLR_DATA_DIR"),
        EmbeddedService(settings, say=lambda _: None),
    ):
        pass


def test_forwarded_headers_are_believed_from_named_proxies_alone() -> None:
    silent = api_command("127.0.0.1", 8000)
    named = api_command("127.0.0.1", 8000, forwarded_allow_ips="10.0.0.0/8")

    assert "--no-proxy-headers" in silent
    assert "--no-proxy-headers" not in named
    assert named[named.index("--forwarded-allow-ips") + 1] == "10.0.0.0/8"


@pytest.mark.parametrize("name", ["CLR_API_KEYS", "CLR_HOSTS"])
def test_a_list_that_is_no_json_is_told_by_its_variable_and_never_shown(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "no-json-but-a-secret")
    get_settings.cache_clear()

    with pytest.raises(CannotServe, match=f"^{name}: must be a JSON list") as refused:
        read_settings(say=pytest.fail)

    assert "no-json" not in str(refused.value)


def test_the_settings_show_no_password_of_a_url() -> None:
    settings = Settings(database_url="postgresql+psycopg://u:hidden@h/db", broker_url="redis://:hidden@h/0")

    assert "hidden" not in f"{settings!r} {settings}"
