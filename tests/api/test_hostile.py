"""What was sent to break a real server, and what it answers: a problem, in time, and never an error of ours."""

import gzip
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import uvicorn

from api.app import create_app
from api.connection import Connection
from store import workers, workloads
from store.database import Database
from store.settings import Settings
from store.workers import WorkerInfo
from tests.api.conftest import WORKLOAD

HEAD = b"Host: localhost\r\nConnection: close\r\n"
JOB = "/range-tests/0d9c6a52-3f0e-4b8e-9a57-6a1c1c0f6f0e"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[int]:
    """A server of the whole API on a database with one workload."""
    folder = tmp_path_factory.mktemp("hostile")
    url = f"sqlite:///{folder / 'clr.sqlite3'}"
    (folder / "clr.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    database = Database(url)
    with database.write() as session:
        workloads.publish(session, [WORKLOAD])
        workers.publish(
            session, WorkerInfo(id="w", hostname="h", pid=1, slots=1, device="cpu"), [WORKLOAD["name"]]
        )
    database.close()
    app = create_app(Settings(database_url=url, broker_url="redis://127.0.0.1:9/0", data_dir=folder))
    server = uvicorn.Server(uvicorn.Config(app, http=Connection, ws="none", log_config=None))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = Thread(target=server.run, args=([listener],))
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()


def ask(port: int, raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send these bytes; the status, headers and body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as caller:
        with suppress(OSError):  # it was answered before all was sent
            caller.sendall(raw)
        said = b""
        with suppress(ConnectionError):
            while chunk := caller.recv(65_536):
                said += chunk
    head, _, body = said.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    return int(status.split(" ")[1]), dict(line.lower().split(": ", 1) for line in lines), body


def get(path: str, *headers: str, method: str = "GET") -> bytes:
    """A request without a body."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"{method} {path} HTTP/1.1\r\n".encode() + HEAD + lines.encode("latin-1") + b"\r\n"


def post(body: bytes, *headers: str, content_type: str = "application/json") -> bytes:
    """A request for a range test."""
    given = (f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers)
    return get("/range-tests", *given, method="POST") + body


def job(**fields: Any) -> bytes:
    """A request for a range test with some more fields."""
    return post(json.dumps({"workload": "digits"} | fields).encode())


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        pytest.param(get("/../../etc/passwd"), 404, id="path-up"),
        pytest.param(get("/docs/..%2f..%2fapp.py"), 404, id="path-up-encoded"),
        pytest.param(get("/workloads/%00"), 404, id="path-nul"),
        pytest.param(get("/workloads/%0d%0aSet-Cookie:%20a=b"), 404, id="path-split"),
        pytest.param(get("/" + "a" * 70_000), 404, id="path-long"),
        pytest.param(get("http://evil.example/jobs"), 404, id="path-absolute"),
        pytest.param(get("/jobs?" + "a=b&" * 3000), 422, id="query-long"),
        pytest.param(get("/jobs?tag=%ed%a0%80"), 200, id="query-surrogate"),
        pytest.param(get("/jobs?tag=a%0Ab"), 422, id="query-line"),
        pytest.param(get("/jobs?page_token=W1tbW1tbW1tb"), 400, id="query-token"),
        pytest.param(get(f"{JOB}/curve?max_points=1e999"), 422, id="query-infinite"),
        pytest.param(post(b"[" * 100_000 + b"]" * 100_000), 400, id="body-deep-list"),
        pytest.param(post(b'{"a":' * 5000 + b"1" + b"}" * 5000), 400, id="body-deep-object"),
        pytest.param(post(b'{"workload": "digits", "start_lr": 1e999}'), 422, id="body-1e999"),
        pytest.param(post(b'{"workload": "digits", "start_lr": NaN}'), 422, id="body-nan"),
        pytest.param(post(b'{"workload": "digits", "seed": ' + b"9" * 5000 + b"}"), 400, id="body-digits"),
        pytest.param(job(seed=10**20), 422, id="body-65-bits"),
        pytest.param(job(num_steps=10**18), 422, id="body-steps"),
        pytest.param(post(b'{"workload": "digits", "name": "\\ud800"}'), 422, id="body-surrogate"),
        pytest.param(post(b'{"workload": "digits", "seed": 1, "s\\u0065ed": 2}'), 400, id="body-key-twice"),
        pytest.param(post(b'{"workload": "digits", "__proto__": {}}'), 422, id="body-proto"),
        pytest.param(post(b'{"workload": "\xff"}'), 400, id="body-no-utf8"),
        pytest.param(post(gzip.compress(b"{}"), "Content-Encoding: gzip"), 400, id="body-gzip"),
        pytest.param(post(b" " * 1_100_000), 413, id="body-large"),
        pytest.param(post(b"{}", content_type="text/plain"), 415, id="type-text"),
        pytest.param(post(b"a=b", content_type="application/x-www-form-urlencoded"), 415, id="type-form"),
        pytest.param(post(b"{}", "Idempotency-Key: " + "a" * 300), 422, id="header-key-long"),
        pytest.param(get("/jobs", *(f"X-{i}: a" for i in range(5000))), 200, id="header-many"),
        pytest.param(get("/jobs", "X: a\0b"), 400, id="header-nul"),
        pytest.param(get("/jobs", "Host: evil.example"), 400, id="header-two-hosts"),
        pytest.param(get("/jobs", "Authorization: Bearer \xff"), 401, id="header-latin-key"),
        pytest.param(get("/jobs", "Upgrade: websocket", "Connection: upgrade"), 200, id="header-web-socket"),
        pytest.param(get("/jobs", "Content-Length: -1"), 400, id="length-negative"),
        pytest.param(get("/jobs", "Content-Length: 4", "Content-Length: 5"), 400, id="length-twice"),
        pytest.param(get("/jobs", "Transfer-Encoding: xchunked"), 400, id="coding-unknown"),
        pytest.param(
            get("/range-tests", "Transfer-Encoding: chunked", method="POST") + b"ZZ\r\n",
            400,
            id="chunk-broken",
        ),
        pytest.param(b"GET /jobs HTTP/1.1\r\n\r\n", 400, id="no-host"),
        pytest.param(b"GET /jobs\r\n\r\n", 400, id="http-0.9"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, id="tls"),
        pytest.param(get("/jobs", method="TRACE"), 405, id="method-trace"),
    ],
)
def test_a_hostile_request_is_told_no(port: int, raw: bytes, status: int) -> None:
    answered, headers, body = ask(port, raw)

    assert answered == status, body[:500]
    assert status < 400 or headers["content-type"] == "application/problem+json"
    assert b"Traceback" not in body


def test_requests_in_one_go_are_answered_in_their_order(port: int) -> None:
    first = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    _, _, body = ask(port, first * 49 + get("/healthz"))

    assert body.count(b"HTTP/1.1 200 OK") == 49
