"""Where the service is: by the environment, and never with its password in a message."""

from base64 import b64encode

import pytest

from clr_tuner.address import parse, show
from clr_tuner.client import Client
from clr_tuner.errors import Unreachable
from tests.clr_tuner.conftest import JOB, JOB_ID, Answer, Service, job


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLR_URL", "CLR_HOST", "CLR_PORT", "CLR_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"CLR_PORT": "8123"}, "http://127.0.0.1:8123"),
        ({"CLR_PORT": " 8123 ", "CLR_HOST": "0.0.0.0"}, "http://127.0.0.1:8123"),
        ({"CLR_HOST": "::"}, "http://[::1]:8000"),
        ({"CLR_HOST": "::1"}, "http://[::1]:8000"),
        ({"CLR_HOST": "gpu.lan", "CLR_PORT": "80"}, "http://gpu.lan:80"),
        ({"CLR_URL": "https://clr.example/tuner/", "CLR_PORT": "9"}, "https://clr.example/tuner"),
        ({"CLR_URL": "", "CLR_PORT": ""}, "http://127.0.0.1:8000"),
    ],
)
def test_the_environment_says_where_the_service_is(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    with Client() as client:
        assert client.connection.shown == url


@pytest.mark.parametrize(
    ("port", "told"),
    [("eighty", "CLR_PORT must be a port"), ("70000", "CLR_PORT must be a port"), ("0", "in CLR_URL")],
)
def test_a_port_that_is_none_is_told_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, port: str, told: str
) -> None:
    monkeypatch.setenv("CLR_PORT", port)

    with pytest.raises(ValueError, match=told):
        Client()


def test_a_client_without_a_url_takes_the_key_of_the_environment_too(
    monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    monkeypatch.setenv("CLR_URL", service.url)
    monkeypatch.setenv("CLR_API_KEY", "secret\n")
    with Client() as client, Client(service.url) as plain:
        client.ping()
        plain.ping()

    sent = [request.headers.get("authorization") for request in service.requests]
    assert sent == ["Bearer secret", None]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("localhost:8000", "did you mean http://localhost:8000?"),
        ("", "must start with http://"),
        ("ftp://host", "must start with http://"),
        ("http://", "names no host"),
        ("http://[::1", "is no URL"),
        ("http://host:99999", "has no such port"),
        ("http://host:x", "is no URL"),
        ("http://a b", "names no host"),
        ("http://host/?key=hunter2", "must end before"),
        ("me:hunter2@host:8000", "did you mean http://me:"),
        ("http://me:hunter2@host:x", "is no URL"),
    ],
)
def test_a_url_that_is_none_is_told_why_without_its_password(url: str, told: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the text is looked at below
        parse(url)

    assert told in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_message_shows_no_password() -> None:
    assert show("https://me:p%40ss@host/tuner/") == "https://me:***@host/tuner"
    assert show("https://me@host?token=1") == "https://me@host"
    with Client("http://me:hunter2@127.0.0.1:9", retry_s=0) as client, pytest.raises(Unreachable) as nobody:
        client.ping()
    assert "http://me:***@127.0.0.1:9" in str(nobody.value)
    assert "clr-tuner serve" in str(nobody.value)
    assert "hunter2" not in str(nobody.value)


def test_a_user_and_password_are_sent_and_never_logged(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with Client(service.url.replace("http://", "http://me:hunt%40r2@")) as client:
        client.ping()

    [request] = service.requests
    assert request.headers["authorization"] == f"Basic {b64encode(b'me:hunt@r2').decode()}"
    assert service.url in caplog.text
    assert "hunt" not in caplog.text


@pytest.mark.parametrize("key", ["schlüssel-geheim", "two words", "line\nend"])
def test_a_key_that_no_header_can_hold_is_told_without_it(key: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII") as refused:
        Client("http://127.0.0.1:9", key)

    assert key not in str(refused.value)


def test_a_key_and_a_user_are_one_too_many() -> None:
    with pytest.raises(ValueError, match="not both"):
        Client("http://me:hunter2@127.0.0.1:9", "secret")


def test_a_service_may_have_a_path_before_its_own(service: Service) -> None:
    service.answers("GET", f"/tuner/jobs/{JOB_ID}", Answer(body=job()))
    service.answers("GET", f"/tuner{JOB}", Answer(body=job("running")))

    with Client(f"{service.url}/tuner/") as client:
        assert client.job(JOB_ID).status == "running"


def test_a_link_may_begin_with_the_path_before_the_services_own(service: Service) -> None:
    answered = job(links={"self": f"/tuner{JOB}"})
    service.answers("GET", f"/tuner/jobs/{JOB_ID}", Answer(body=answered))
    service.answers(
        "GET", f"/tuner{JOB}", Answer(body=answered), Answer(body=answered | {"status": "running"})
    )

    with Client(f"{service.url}/tuner") as client:
        assert client.job(JOB_ID).refresh().status == "running"
