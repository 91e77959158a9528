"""deploy/nginx.conf, run by a real nginx before a real API: TLS, a root path, streams, whose address is believed."""

import os
import re
import signal
import ssl
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import pytest

from api.job_routes import LONGEST_WAIT_S
from clr_tuner.client import Client
from clr_tuner.embedded.programs import api_command
from clr_tuner.errors import Refused
from migrations.schema import upgrade
from store import workers, workloads
from store.database import Database
from store.settings import Settings
from store.workers import WorkerInfo
from tests import certificates, services
from tests.api.conftest import WORKLOAD
from tests.machine import patience
from tests.services import Server, free_port, running

CONFIG = Path(__file__).parent.parent.parent / "deploy" / "nginx.conf"
KEY = "a-key-of-the-test"
CALLER = "127.0.0.2"  # neither the proxy's address nor the service's


class Proxied:
    """The API behind nginx; `api` may be stopped and started."""

    def __init__(self, folder: Path, broker_url: str) -> None:
        self.url, self.certificate = f"https://localhost:{free_port()}/clr", folder / "clr.pem"
        self._folder, self._port, self._broker_url = folder, free_port(), broker_url

    def api(self, *, forwarded_allow_ips: str = "") -> Server:
        """A process of the API, to be started."""
        command = api_command("127.0.0.1", self._port, forwarded_allow_ips=forwarded_allow_ips)
        url = f"http://127.0.0.1:{self._port}"
        return Server(
            [word.replace("api.app:", "tests.e2e.seen:") for word in command],
            url=url,
            stop=signal.SIGTERM,
            answers=lambda: httpx2.get(f"{url}/healthz"),
            env=os.environ
            | {
                "CLR_DATABASE_URL": f"sqlite:///{self._folder}/clr.sqlite3",
                "CLR_BROKER_URL": self._broker_url,
                "CLR_DATA_DIR": str(self._folder),
                "CLR_API_KEYS": f'["{KEY}"]',
                "CLR_ROOT_PATH": "/clr",
            },
        )

    def nginx(self) -> AbstractContextManager[Server]:
        """nginx with the shipped file, but for addresses and the certificate."""
        text = CONFIG.read_text()
        for shipped, here in {
            "listen 443 ": f"listen {self.url[18:-4]} ",
            "127.0.0.1:8000": f"127.0.0.1:{self._port}",
            "/etc/ssl/clr.": f"{self._folder}/clr.",
        }.items():
            assert shipped in text
            text = text.replace(shipped, here)
        (self._folder / "nginx.conf").write_text(text)
        certificates.make(self._folder, "localhost")
        return services.nginx(self._folder, url=self.url, answers=lambda: self.get("/healthz"))

    def caller(self) -> httpx2.Client:
        """Somebody else, who has the key and trusts the certificate."""
        trust = ssl.create_default_context(cafile=self.certificate)
        transport = httpx2.HTTPTransport(verify=trust, local_address=CALLER)
        return httpx2.Client(
            transport=transport, headers={"Authorization": f"Bearer {KEY}"}, timeout=patience(60)
        )

    def get(self, path: str, **headers: str) -> httpx2.Response:
        """What nginx answers the caller."""
        with self.caller() as caller:
            return caller.get(self.url + path, headers=headers)


@pytest.fixture(scope="module")
def proxied(broker_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder = tmp_path_factory.mktemp("proxy")
    url = f"sqlite:///{folder}/clr.sqlite3"
    upgrade(url)
    database = Database(url)
    with database.write() as session:
        workloads.publish(session, [WORKLOAD])
        info = WorkerInfo(id="w", hostname="host", pid=1, slots=1, device="cpu")
        workers.publish(session, info, [str(WORKLOAD["name"])])
    database.close()
    found = Proxied(folder, broker_url)
    with found.nginx():
        yield found


@pytest.fixture(scope="module")
def _believing(proxied: Proxied) -> Iterator[Server]:
    with running(proxied.api(forwarded_allow_ips="127.0.0.1")) as server:
        yield server


def test_a_service_that_is_away_is_a_problem_that_callers_repeat(proxied: Proxied) -> None:
    answer = proxied.get("/range-tests")

    assert answer.status_code == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "2"
    assert answer.json()["code"] == "service_unavailable"


def test_the_callers_address_is_believed_from_no_proxy_unless_it_is_named(proxied: Proxied) -> None:
    with running(proxied.api()):
        assert proxied.get("/healthz").headers["X-Seen"] == "http 127.0.0.1"


@pytest.mark.usefixtures("_believing")
def test_the_callers_address_comes_from_a_named_proxy_and_not_from_the_caller(proxied: Proxied) -> None:
    assert proxied.get("/healthz").headers["X-Seen"] == f"https {CALLER}"
    forged = proxied.get("/healthz", **{"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "ftp"})
    assert forged.headers["X-Seen"] == f"https {CALLER}"


@pytest.mark.usefixtures("_believing")
def test_what_an_answer_says_of_the_service_is_found_through_the_proxy(proxied: Proxied) -> None:
    host = proxied.url.removesuffix("/clr")
    with proxied.caller() as caller:
        made = caller.post(f"{proxied.url}/range-tests", json={"workload": "digits"})
        assert made.status_code == 202, made.text
        assert made.headers["Location"].startswith("/clr/range-tests/")
        for link in (made.headers["Location"], *made.json()["links"].values()):
            if not link.endswith("/events"):
                assert caller.get(host + link).status_code != 404, link
        assert caller.get(f"{proxied.url}/openapi.json").json()["servers"] == [{"url": "/clr"}]
        assert caller.get(f"{proxied.url}/docs").status_code == 200


@pytest.mark.usefixtures("_believing")
def test_the_python_client_follows_links_and_events_through_the_proxy(
    proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(proxied.certificate))
    monkeypatch.setattr("clr_tuner.connection.is_loopback", lambda host: False)  # as if it were elsewhere

    with Client(proxied.url, KEY, retry_s=0) as client:
        test = client.range_test("digits")
        events = client.job(test.id).events()
        assert next(events).name == "status", "while it is queued: nginx holds nothing back"
        test.cancel()
        assert [event.name for event in events][-1] == "end"
        with pytest.raises(Refused) as refused:
            client.connection.post("/range-tests", {"name": "x" * 1_000_000})
    assert (refused.value.status, refused.value.code) == (413, "content_too_large")


def test_the_limits_of_the_file_are_those_of_the_settings() -> None:
    said = dict(re.findall(r"^ +(\w+) (\d+)s?;", CONFIG.read_text(), re.MULTILINE))
    limits = Settings.model_fields

    assert int(said["client_max_body_size"]) == limits["max_body_bytes"].default
    assert float(said["client_header_timeout"]) == limits["request_timeout_s"].default
    assert float(said["client_body_timeout"]) == limits["request_timeout_s"].default
    assert float(said["keepalive_timeout"]) < limits["idle_timeout_s"].default
    assert float(said["proxy_read_timeout"]) > LONGEST_WAIT_S
