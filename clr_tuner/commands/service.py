"""The commands of those who run the service: all of it under one parent, or one program of it.

What they run is of another distribution, which may not be installed: each command asks for it, and imports it then.
"""

from pathlib import Path
from typing import Annotated

import typer

from clr_tuner.commands.installed import require_service, require_worker
from clr_tuner.commands.terminal import columns, say, warn

SERVING = "The service"

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
    require_worker()
    from clr_tuner.commands.serve import run_service
    from clr_tuner.embedded.settings import read_settings, require_artifacts

    settings = read_settings(host, port, say=warn)
    require_artifacts(settings)
    run_service(settings)


@app.command(rich_help_panel=SERVING)
def demo(
    workload: Annotated[str, typer.Option(help="What to test.")] = "digits-cnn",
) -> None:
    """Start a throw-away service, run one range test on real data through HTTP, print what it found, stop."""
    require_worker()
    from clr_tuner.commands.demo import run_demo
    from clr_tuner.embedded.settings import read_settings

    run_demo(read_settings(say=warn), workload=workload)


@app.command(rich_help_panel=SERVING)
def api(host: Host = None, port: Port = None) -> None:
    """Run the API alone; needs CLR_DATABASE_URL and CLR_BROKER_URL that the workers share."""
    require_service()
    from clr_tuner.embedded.programs import api_command, become, refuse_open_bind
    from clr_tuner.embedded.settings import read_settings, require_artifacts

    settings = read_settings(host, port, say=warn)
    refuse_open_bind(settings)
    require_artifacts(settings)
    become(
        api_command(settings.host, settings.port, log_level=settings.log_level.lower()), settings, say=warn
    )


@app.command(rich_help_panel=SERVING)
def worker() -> None:
    """Run a worker alone, with CLR_WORKER_SLOTS jobs side by side; needs CLR_BROKER_URL."""
    require_worker()
    from clr_tuner.embedded.programs import become, python
    from clr_tuner.embedded.settings import read_settings, require_artifacts

    settings = read_settings(say=warn)
    require_artifacts(settings)
    become(python("worker"), settings, say=warn)


@app.command(rich_help_panel=SERVING)
def migrate() -> None:
    """Bring the database of CLR_DATABASE_URL to the newest schema."""
    require_service()
    from clr_tuner.embedded.programs import become, python
    from clr_tuner.embedded.settings import read_settings

    become(python("migrations"), read_settings(say=warn), say=warn)


@app.command(rich_help_panel=SERVING)
def settings() -> None:
    """Print every setting as it stands here; secrets are masked."""
    require_service()
    from clr_tuner.embedded.settings import describe_settings, read_settings

    rows = describe_settings(read_settings(say=warn))
    say(columns([["VARIABLE", "VALUE", "MEANING"], *rows]))


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
    require_service()
    from clr_tuner.embedded.backup import back_up
    from clr_tuner.embedded.settings import read_settings

    copied = back_up(read_settings(say=warn), file, checkpoints=checkpoints, force=force)
    say(f"{file} holds the database as it was{f', with {copied} checkpoint files' if checkpoints else ''}")
