"""The commands of those who run the service: all of it under one parent, or one program of it."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import typer

from client.demo import run_demo
from client.embedded import EmbeddedService
from client.errors import INTERRUPTED, CannotServe
from client.programs import api_command, environment, python, refuse_open_bind
from client.report import columns
from store.settings import Settings, get_settings

SERVING = "The service"
TEND_S = 0.25

app = typer.Typer()

Host = Annotated[str | None, typer.Option(help="Address to bind; default CLR_HOST, 127.0.0.1.")]
Port = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Port; default CLR_PORT, 8000. 0: any free one.")
]


@app.command(rich_help_panel=SERVING)
def serve(host: Host = None, port: Port = None) -> None:
    """Run the whole service here: broker, worker, API. Ctrl-C stops it.

    It keeps SQLite in CLR_DATA_DIR and starts a Valkey server of its own, unless CLR_DATABASE_URL or
    CLR_BROKER_URL name others.
    """
    settings = _settings(host, port)
    with _signals_interrupt(), suppress(KeyboardInterrupt):
        typer.echo("starting ...")
        with EmbeddedService(settings, say=_warn) as service:
            typer.echo(_welcome(service, settings))
            with suppress(KeyboardInterrupt):
                while True:
                    service.tend()
                    time.sleep(TEND_S)
            typer.echo("stopping; Ctrl-C again kills at once")
    typer.echo("stopped")


@app.command(rich_help_panel=SERVING)
def demo(
    workload: Annotated[str, typer.Option(help="What to test.")] = "digits-cnn",
) -> None:
    """Start a throw-away service, run one range test on real data through HTTP, print what it found, stop."""
    with _signals_interrupt():
        try:
            run_demo(_settings(), workload=workload)
        except KeyboardInterrupt:
            typer.echo("interrupted; everything is stopped", err=True)
            raise typer.Exit(INTERRUPTED) from None


@app.command(rich_help_panel=SERVING)
def api(host: Host = None, port: Port = None) -> None:
    """Run the API alone; needs CLR_DATABASE_URL and CLR_BROKER_URL that the workers share."""
    settings = _settings(host, port)
    refuse_open_bind(settings)
    _become(api_command(settings.host, settings.port, log_level=settings.log_level.lower()), settings)


@app.command(rich_help_panel=SERVING)
def worker() -> None:
    """Run a worker alone, with CLR_WORKER_SLOTS jobs side by side; needs CLR_BROKER_URL."""
    _become(python("worker"), _settings())


@app.command(rich_help_panel=SERVING)
def migrate() -> None:
    """Bring the database of CLR_DATABASE_URL to the newest schema."""
    _become(python("migrations"), _settings())


@app.command(rich_help_panel=SERVING)
def settings() -> None:
    """Print every setting as it stands here; secrets are masked."""
    effective = _settings()
    rows = []
    for name, field in Settings.model_fields.items():
        value = getattr(effective, name)
        shown = _mask_password(value) if name.endswith("_url") else value
        rows.append([f"CLR_{name.upper()}", shown, field.description])
    typer.echo(columns([["VARIABLE", "VALUE", "MEANING"], *rows]))


def _settings(host: str | None = None, port: int | None = None) -> Settings:
    try:
        read = get_settings()
    except ValueError as error:  # pydantic's; its text names the field and what is allowed
        raise CannotServe(f"a CLR_ variable is wrong: {error}") from None
    chosen = {"host": host, "port": port}
    return read.model_copy(update={name: value for name, value in chosen.items() if value is not None})


def _become(command: list[str], settings: Settings) -> NoReturn:
    os.execve(command[0], command, environment(settings))


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """SIGTERM and a closed terminal end us as Ctrl-C does: in order."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signals = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) != signal.SIG_IGN]
    before = [signal.signal(one, interrupt) for one in signals]
    try:
        yield
    finally:
        for one, handler in zip(signals, before, strict=True):
            signal.signal(one, handler)


def _welcome(service: EmbeddedService, settings: Settings) -> str:
    key = " -H 'Authorization: Bearer YOUR_KEY'" if settings.api_keys else ""
    body = """-H 'Content-Type: application/json' -d '{"workload": "digits-mlp"}'"""
    return f"""clr-tuner is ready at {service.url}
  docs  {service.url}/docs
  data  {settings.data_dir.resolve()}
  logs  {service.logs.resolve()}
  try   curl{key} {service.url}/range-tests {body}
  or    clr-tuner range-test digits-mlp --url {service.url}
Ctrl-C stops it."""


def _warn(line: str) -> None:
    typer.echo(line, err=True)


def _mask_password(url: str) -> str:
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":***@") if password else url
