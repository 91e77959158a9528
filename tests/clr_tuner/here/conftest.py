"""A service without workers that a loop of one's own reports to: a process that tests stop and start."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

import clr_tuner as ct
from clr_tuner.here import sender
from tests.services import Server, free_port, running


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words come often, and the end does not wait for long."""
    monkeypatch.setattr(sender, "PERIOD_S", 0.02)
    monkeypatch.setattr(sender, "LONGEST_PERIOD_S", 0.05)


@pytest.fixture(scope="module")
def database_file(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of the service."""
    file = tmp_path_factory.mktemp("service") / "clr.sqlite3"
    file.write_bytes(migrated_sqlite.read_bytes())
    return file


@pytest.fixture(scope="module")
def api_server(database_file: Path) -> Iterator[Server]:
    """A service without workers, as a process; who stops it starts it again."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    factory = ["--factory", "api.app:create_app", "--port", str(port), "--log-level", "warning"]
    server = Server(
        [sys.executable, "-m", "uvicorn", "--app-dir", str(Path(__file__).parents[3]), *factory],
        url=url,
        stop=signal.SIGKILL,
        answers=lambda: httpx2.get(f"{url}/healthz"),
        env={
            "PATH": "",
            "CLR_DATABASE_URL": f"sqlite:///{database_file}",
            "CLR_BROKER_URL": "redis://127.0.0.1:1/0",
            "CLR_DATA_DIR": str(database_file.parent),
        },
    )
    with running(server):
        yield server


@pytest.fixture
def client(api_server: Server) -> Iterator[ct.Client]:
    with ct.Client(api_server.url, retry_s=0) as connected:
        yield connected
