"""The commands of those who run the service: all of it under one parent, or one program of it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError

from clr_tuner.commands.demo import run_demo
from clr_tuner.commands.report import columns
from clr_tuner.embedded.backup import back_up
from clr_tuner.embedded.processes import on_end
from clr_tuner.embedded.programs import api_command, environment, python, refuse_open_bind
from clr_tuner.embedded.service import EmbeddedService
from clr_tuner.errors import INTERRUPTED, CannotServe
from store.addresses import masked
from store.settings import FORMER, PREFIX, Settings, get_settings

SERVING = "The service"
TEND_S = 0.25
OTHERS = frozenset(
    {"CLR_URL", "CLR_API_KEY", "CLR_WORKER_ID", "CLR_WORKER_PID"}
)  # the client's, a worker's own

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
        shown = masked(value) if name.endswith("_url") else value
        rows.append([variable(name), shown, field.description])
    typer.echo(columns([["VARIABLE", "VALUE", "MEANING"], *rows]))


@app.command(rich_help_panel=SERVING)
def backup(
    file: Annotated[Path, typer.Argument(help="Where to write the copy of the database.")],
    checkpoints: Annotated[
        bool,
        typer.Option("--checkpoints", help="Copy checkpoints too, to the folder checkpoints beside FILE."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Copy the SQLite database of CLR_DATA_DIR, also while the service runs; for Postgres see pg_dump."""
    copied = back_up(_settings(), file, checkpoints=checkpoints, force=force)
    typer.echo(
        f"{file} holds the database as it was{f', with {copied} checkpoint files' if checkpoints else ''}"
    )


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def _settings(host: str | None = None, port: int | None = None) -> Settings:
    _warn_of_unknown()
    try:
        read = get_settings()
    except ValidationError as error:
        wrong = [f"{variable(str(one['loc'][0]))}: {_sentence(one['msg'])}" for one in error.errors()]
        raise CannotServe("\n".join(wrong)) from None
    except ValueError:  # pydantic-settings': the one list is no JSON
        raise CannotServe("""CLR_API_KEYS: must be a JSON list of keys, '["a-long-secret"]'""") from None
    chosen = {"host": host, "port": port}
    return read.model_copy(update={name: value for name, value in chosen.items() if value is not None})


def _become(command: list[str], settings: Settings) -> NoReturn:
    os.execve(command[0], command, environment(settings))


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """SIGTERM and a closed terminal end us as Ctrl-C does: in order, and once, as the end takes a while."""
    asked = False

    def interrupt() -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise KeyboardInterrupt

    with on_end(interrupt):
        yield


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


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ")


def _warn_of_unknown() -> None:
    """Say it where a variable looks like a slip of the pen; others may be a workload's own."""
    known = {variable(name) for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name in FORMER and FORMER[name] not in os.environ:
            _warn(f"warning: {name} is called {FORMER[name]} now; the old name is read for one more release")
        elif name.startswith(PREFIX) and name not in known | OTHERS:
            for near in get_close_matches(name, known, n=1, cutoff=0.8):
                _warn(f"warning: no setting is called {name}; did you mean {near}?")
