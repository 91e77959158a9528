"""The programs of the service as commands: what `serve` starts, and `api`, `worker`, `migrate` become."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from clr_tuner.address import is_loopback
from clr_tuner.embedded.data_dir import close_to_others
from clr_tuner.embedded.processes import PRIVATE
from clr_tuner.errors import CannotServe
from store.database_file import holds_keys
from store.settings import Settings


def make_environment(settings: Settings) -> dict[str, str]:
    """The environment in which a child reads the settings that the parent decided."""
    return os.environ | {
        "CLR_HOST": settings.host,
        "CLR_PORT": str(settings.port),
        "CLR_DATA_DIR": str(settings.data_dir.resolve()),
        "CLR_DATABASE_URL": settings.database_url,
        "CLR_BROKER_URL": settings.broker_url,
        "CLR_API_KEYS": json.dumps([key.get_secret_value() for key in settings.api_keys]),
        "CLR_ADMIN_KEY": settings.admin_key.get_secret_value() if settings.admin_key else "",
    }


def python(module: str) -> list[str]:
    """The command that runs one of our modules; -P: a folder `api` or `worker` here is not ours."""
    return [sys.executable, "-P", "-m", module]


def api_command(
    host: str, port: int, *, log_level: str = "warning", forwarded_allow_ips: str = ""
) -> list[str]:
    """The command that serves the API."""
    app_dir = str(Path(__file__).resolve().parents[2])  # uvicorn would put the current folder first
    believed = (
        ["--forwarded-allow-ips", forwarded_allow_ips] if forwarded_allow_ips else ["--no-proxy-headers"]
    )
    return [
        *python("uvicorn"),
        *believed,
        *("--factory", "api.app:create_app", "--app-dir", app_dir),
        *("--http", "api.connection:Connection", "--ws", "none"),  # a web socket would have no deadlines
        *("--host", host, "--port", str(port), "--log-level", log_level),
        *("--timeout-graceful-shutdown", "1"),  # a long poll must not hold up the end
    ]


def become(command: list[str], settings: Settings, *, say: Callable[[str], None]) -> NoReturn:
    """Run a program of the service in place of this process; what it writes is for this user alone."""
    os.umask(PRIVATE)
    close_to_others(settings.data_dir, say=say)
    os.execve(command[0], command, make_environment(settings))


def refuse_open_bind(settings: Settings) -> None:
    """Raise `CannotServe` for an address that others can reach without keys: it runs what it is sent.

    Keys are those of the settings, and any that was made where the database is a file of ours.
    """
    if is_loopback(settings.host) or settings.admin_key is not None or settings.api_keys:
        return
    if settings.database_file is None or not holds_keys(settings.database_file):
        raise CannotServe(
            f"refusing to bind {settings.host} without API keys: whoever reaches an open job service can run "
            "jobs on this machine.\nSet CLR_ADMIN_KEY or CLR_API_KEYS='[\"a-long-secret\"]', or bind 127.0.0.1."
        )
